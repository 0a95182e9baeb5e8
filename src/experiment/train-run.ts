/** A training run from the first step to the last, through folders, interruptions and resumption. */

import { join, resolve } from "node:path";
import type { ProgressStyle } from "../cli/progress.ts";
import { Interruption, interruptible, type Terminal } from "../cli/terminal.ts";
import type { TrainReporter } from "../cli/train-report.ts";
import { BackendError, ConfigError, DataError, SeparableError } from "../core/errors.ts";
import { familyNamed, formatConvolution } from "../structured/convolution-text.ts";
import { encodeCheckpoint, restoreTrainer } from "../train/checkpoint.ts";
import type { Evaluation } from "../train/evaluate.ts";
import { lockFolder } from "../train/node/folder-lock.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import { trainEpochs } from "../train/trainer.ts";
import { describeSolution, solveBudget } from "./budget.ts";
import { type Images, loadImages } from "./load-images.ts";
import { formatNetwork } from "./network-spec.ts";
import { type PresetName, presets } from "./presets.ts";
import { checkRunConfig, createRunConfig, type RunConfig } from "./run-config.ts";
import { createSession, type Session } from "./session.ts";
import { dropsLast, networkOf, resolveSettings, type SettingName, type Settings, settingRules } from "./settings.ts";
import { type BackendReport, describeDevice, startBackend } from "./start-backend.ts";
import { checkSameTeacher, loadTeacher } from "./teacher.ts";
import { hasEvents, TensorBoardLog } from "./tensorboard-log.ts";

/** Options that steer an invocation and leave the numbers alone. */
export interface Steering {
  readonly preset?: PresetName;
  /** The folder to write. */
  readonly run?: string;
  /** The folder to continue. */
  readonly resume?: string;
  /** Stop after so many steps in all. */
  readonly steps?: number;
  /** Download nothing. */
  readonly offline?: boolean;
  /** Write event files too. */
  readonly tensorboard?: boolean;
  /** The most parameters the network may have: decides the hyper-parameter of `--conv`. */
  readonly budget?: number;
}

export interface Surroundings {
  readonly terminal: Terminal;
  readonly reporter: TrainReporter;
  readonly style: ProgressStyle;
}

/** A new run. Resolves to the exit code. @throws SeparableError; nothing is written then unless training had begun. */
export function startRun(
  explicit: Partial<Settings>,
  { preset = "quick", run, steps, offline = false, tensorboard = false, budget }: Steering,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal, reporter, style } = surroundings;
  return interruptible(terminal, reporter.interrupted, async (signal) => {
    const wanted = withinBudget(preset, explicit, budget, reporter.note);
    const path = run ?? (await defaultFolder(wanted));
    await RunFolder.checkFree(path);
    const backend = await startBackend(wanted);
    const images = await loadImages(wanted, terminal, { signal, progress: style, unavailable: "synthetic", offline });
    signal.throwIfAborted();
    // The same backend on resumption, whatever another calibration would say, as many threads, and the images that were really used.
    const threads = backend.name === "wasm" ? backend.threads : undefined;
    const dropLast = dropsLast(wanted, images.dataset.train.count);
    const settings: Settings = {
      ...wanted,
      ...dataSettings(wanted, images),
      ...teacherSettings(wanted),
      dropLast,
      backend: backend.name,
      threads,
    };
    if (dropLast && wanted.dropLast === undefined)
      reporter.note(
        "each epoch leaves out its last batch, which would have one image: batch norms need more (keep it with --no-drop-last)",
      );
    const teacher = await loadTeacher(settings, images.dataset.classes.length);
    const session = createSession(settings, images.dataset, teacher?.teaching, reporter.note);
    const config = createRunConfig(preset, settings, { backend, images, teacher: teacher?.record });
    const folder = await RunFolder.create(path, config);
    reporter.start({ config, images, folder, session, resumed: false });
    return drive({ config, images, folder, session, signal, steps, tensorboard, resumed: false }, surroundings);
  });
}

/** The settings, with the hyper-parameter that keeps the network within the budget. @throws ConfigError for one that no network keeps within. */
function withinBudget(
  preset: PresetName,
  explicit: Partial<Settings>,
  budget: number | undefined,
  onNote: (note: string) => void,
): Settings {
  if (budget === undefined) {
    const { conv = presets.quick.conv } = explicit;
    if (settingRules.conv.accepts(conv)) return resolveSettings(preset, explicit);
    throw new ConfigError(`train: --conv ${settingRules.conv.refusal(conv)}; or give it a --budget`);
  }
  const family = familyNamed(explicit.conv ?? "");
  if (family === undefined)
    throw new ConfigError(`train: --budget needs the family it is for, such as --conv TensorTrain, got ${explicit.conv ?? "no --conv"}`);
  const settings = resolveSettings(preset, { ...explicit, conv: "Conv" });
  const network = networkOf(settings);
  const solution = solveBudget(network, family, settings.data === "cifar100" ? 100 : 10, budget);
  onNote(describeSolution(solution, network, budget));
  return { ...settings, conv: formatConvolution(solution.convolution) };
}

function dataSettings({ folder }: Settings, { dataset, fallback }: Images): Partial<Settings> {
  if (fallback === undefined) return { folder: folder === undefined ? undefined : resolve(folder) };
  return { data: "synthetic", folder: undefined, limitTrain: dataset.train.count, limitTest: dataset.test.count };
}

/** A path that still leads there when the run is resumed from elsewhere. */
const teacherSettings = ({ teacher }: Settings): Partial<Settings> => (teacher === undefined ? {} : { teacher: resolve(teacher) });

/** `runs/2025-03-09T14-05-30-wrn-10-1-Conv`, with a number after it when that second saw another. */
export async function defaultFolder(settings: Settings): Promise<string> {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  const stem = join("runs", `${time}-${formatNetwork(networkOf(settings))}`);
  for (let n = 1; ; n++) {
    const path = n === 1 ? stem : `${stem}-${n}`;
    try {
      await RunFolder.checkFree(path);
      return path;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  }
}

/** Settings that may differ when a run goes on: where data and teacher lie, what computes, with how many threads and how much memory. */
const resumable: readonly SettingName[] = ["folder", "teacher", "backend", "threads", "memoryLimit"];

/** Continues a run from its checkpoint. Resolves to the exit code. @throws SeparableError; the run stays as it was. */
export function resumeRun(
  explicit: Partial<Settings>,
  { resume: path = "", preset, run, steps, offline = false, tensorboard = false, budget }: Steering,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal, reporter, style } = surroundings;
  return interruptible(terminal, reporter.interrupted, async (signal) => {
    const fixed = Object.keys({ ...explicit, ...(preset && { preset }), ...(run && { run }), ...(budget && { budget }) }).filter(
      (name) => !(resumable as readonly string[]).includes(name),
    );
    if (fixed.length > 0)
      throw new ConfigError(
        `train: --resume takes its settings from the run's config.json, got --${fixed.map(kebab).join(", --")} too; leave out what is decided already`,
      );
    const folder = await RunFolder.open(path);
    const source = join(path, "config.json");
    const config = checkRunConfig(await folder.config(), source);
    const checkpoint = await folder.readCheckpoint("checkpoint");
    const settings = resumedSettings(config.settings, explicit);
    const backend = await startAgain(settings, explicit);
    const images = await loadImages(settings, terminal, { signal, progress: style, unavailable: "error", offline });
    signal.throwIfAborted();
    const teacher = await loadTeacher(settings, images.dataset.classes.length);
    checkSameTeacher(config.teacher, teacher?.record, source);
    const session = createSession(settings, images.dataset, teacher?.teaching, reporter.note);
    restoreTrainer(session.trainer, checkpoint);
    const saved = checkRunConfig(checkpoint.config, checkpoint.source);
    const changed = changedSettings(config.settings, saved.settings);
    if (changed.length > 0)
      throw new DataError(
        `run: ${source} must be as it was when the checkpoint was written, got another ${changed.join(", ")}; restore it`,
      );
    const [now, first, last] = [backend, config.environment.backend, saved.environment.backend].map(describeDevice);
    if (now !== first || now !== last)
      reporter.note(
        `the run ${now === first ? `was last on ${last}` : `began on ${first}`} and goes on with ${now}: the last bits may differ from an unbroken run`,
      );
    await folder.rewind(session.trainer.progress.epoch);
    const shown: Images = config.fallback === undefined ? images : { ...images, fallback: config.fallback };
    const environment = { ...config.environment, backend };
    reporter.start({
      config: { ...config, settings, environment },
      images: shown,
      folder,
      session,
      resumed: true,
    });
    const logged = tensorboard || (await hasEvents(folder.path));
    // What is saved from now on says where: the next to go on with the run must know.
    return drive(
      { config: { ...config, environment }, images: shown, folder, session, signal, steps, tensorboard: logged, resumed: true },
      surroundings,
    );
  });
}

/** The run's, with what was given anew. Threads and memory of another backend than the run's are not asked for unless given too. */
function resumedSettings(recorded: Settings, explicit: Partial<Settings>): Settings {
  const moves = explicit.backend !== undefined && explicit.backend !== recorded.backend;
  return { ...recorded, ...(moves ? { threads: undefined, memoryLimit: undefined } : {}), ...explicit };
}

/** The backend the run is on: `auto` does not choose a second time, since another would not continue bit for bit. */
async function startAgain(settings: Settings, explicit: Partial<Settings>): Promise<BackendReport> {
  try {
    return await startBackend(settings);
  } catch (error) {
    if (!(error instanceof BackendError) || explicit.backend !== undefined) throw error;
    throw new BackendError(`${error.message}. The run is on ${settings.backend}; to go on with another, name it by --backend`, {
      cause: error,
    });
  }
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const changedSettings = (a: Settings, b: Settings): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (name) => JSON.stringify(a[name as SettingName]) !== JSON.stringify(b[name as SettingName]),
  );

interface Drive {
  readonly config: RunConfig;
  readonly images: Images;
  readonly folder: RunFolder;
  readonly session: Session;
  readonly signal: AbortSignal;
  readonly steps: number | undefined;
  readonly tensorboard: boolean;
  readonly resumed: boolean;
}

/** Trains, saving after every epoch and on interruption. */
async function drive(work: Drive, surroundings: Surroundings): Promise<number> {
  const { folder, session } = work;
  const unlock = await lockFolder(folder.path);
  let log: TensorBoardLog | undefined;
  try {
    const { steps, batchesPerEpoch } = session.trainer;
    if (work.tensorboard) log = await TensorBoardLog.open(folder.path, steps, batchesPerEpoch);
    return await trainAndSave(work, log, surroundings);
  } finally {
    await log?.close();
    await unlock();
  }
}

async function trainAndSave(
  { config, images, folder, session, signal, steps, resumed }: Drive,
  log: TensorBoardLog | undefined,
  { reporter }: Surroundings,
): Promise<number> {
  const { trainer } = session;
  let saved = resumed ? trainer.steps : undefined;
  const save = async (): Promise<void> => {
    await folder.writeCheckpoint("checkpoint", await encodeCheckpoint(trainer, config));
    saved = trainer.steps;
  };
  let last: Evaluation | undefined;
  try {
    // Before the first step: a run can be resumed from its first moment on, and a full disk shows now, not in an hour.
    if (!resumed) await save();
    const result = await trainEpochs(trainer, {
      epochs: config.settings.epochs,
      classes: images.dataset.classes.length,
      evaluateEvery: config.settings.evaluateEvery,
      trainBatches: session.trainBatches,
      testBatches: session.testBatches,
      maximumSteps: steps,
      signal,
      onStep: async (report) => {
        reporter.step(report);
        log?.step(report);
        await turnEventLoop();
      },
      onTestBatch: async (done) => {
        reporter.testBatch(done);
        await turnEventLoop();
      },
      onEpoch: async (metrics, evaluation) => {
        last = evaluation;
        const { testAccuracy } = metrics;
        const best = Math.max(-1, ...folder.metrics.map((line) => line.testAccuracy ?? -1));
        // Lines before the checkpoint: a crash in between repeats the epoch and writes both again.
        const improved = testAccuracy !== null && testAccuracy > best;
        const bytes = await encodeCheckpoint(trainer, config);
        if (improved) await folder.writeCheckpoint("best", bytes);
        if (improved && evaluation) await folder.writeEvaluation({ epoch: metrics.epoch, classes: images.dataset.classes, ...evaluation });
        await log?.epoch(metrics);
        await folder.appendMetrics(metrics);
        await folder.writeCheckpoint("checkpoint", bytes);
        saved = trainer.steps;
        reporter.epoch(metrics);
      },
    });
    if (saved !== trainer.steps) await save();
    reporter.finish({ result, interrupted: signal.aborted, evaluation: last, images, folder, trainer });
    return result === "stopped" && signal.aborted ? Interruption.exitCode : 0;
  } catch (error) {
    // A run without a first checkpoint could not be resumed, and would stand in the way of the next.
    if (saved === undefined) await folder.discard();
    else if (error instanceof SeparableError) error.message += `. ${folder.path} stands as saved after step ${saved}`;
    throw error;
  }
}

/** Signals and the batch worker's messages arrive only when the event loop turns; awaiting finished promises never lets it. */
const turnEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
