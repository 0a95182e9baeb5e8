/** Begins a training run in a new folder. */

import { totalmem } from "node:os";
import { resolve } from "node:path";
import { ConfigError } from "../../core/errors.ts";
import { familyNamed, formatConvolution } from "../../structured/convolution-text.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import { isGpuMode } from "../backend-names.ts";
import { describeSolution, solveBudget } from "../budget.ts";
import { inputSize, recordOf } from "../data-facts.ts";
import { checkInputSize } from "../input-size.ts";
import { checkMemoryNeed } from "../memory-need.ts";
import { type PresetName, presets } from "../presets.ts";
import { isDataName, type Settings, settingRules } from "../setting-rules.ts";
import { dropsLast, networkOf, resolveSettings } from "../settings.ts";
import { createRunConfig, settingsOn } from "./create-run-config.ts";
import { classesOfData } from "./data-classes.ts";
import { findPretrained, inheritedSettings, initialiseFrom } from "./initialise-from.ts";
import { loadFamilies } from "./load-family.ts";
import { factsOf, type Images, loadImages } from "./load-images.ts";
import { defaultFolder } from "./run-folder-name.ts";
import { createSession, initialiseFromImages } from "./session.ts";
import { type BackendReport, describeBackend, startBackend } from "./start-backend.ts";
import { loadTeacher } from "./teacher.ts";
import { trainAndSave } from "./train-and-save.ts";
import type { TrainControl, TrainOutcome } from "./train-observer.ts";

/** Options that do not change the numbers of a run. */
export interface InvocationOptions {
  /** Stops after so many steps in all. Default: no limit. */
  readonly steps?: number | undefined;
  /** Forbids downloads. Default: false. */
  readonly offline?: boolean | undefined;
  /** Writes event files for TensorBoard too. Default: false. */
  readonly tensorboard?: boolean | undefined;
  /** Looks in each step for the op that computes the first number that is not finite. Default: false. */
  readonly detectAnomaly?: boolean | undefined;
  /** How many checkpoints the run keeps: the newest one and those before. Default: what the run has recorded, or else 2. */
  readonly keep?: number | undefined;
  /** Profiles one step after the first steps, and reports it to the observer. Default: false. */
  readonly profile?: boolean | undefined;
}

export interface StartOptions extends InvocationOptions {
  /** The recipe that fills in the settings that are not given. Default: "quick". */
  readonly preset?: PresetName | undefined;
  /** The folder to write. Default: `runs/<time>-<network>`. */
  readonly run?: string | undefined;
  /**
   * The largest number of parameters. It decides the hyper-parameter of the convolution, which is then given as a family alone. Default: no
   * limit.
   */
  readonly budget?: number | undefined;
}

/** Trains a new run. @throws SeparableError; nothing is on the disk then unless the training has begun. */
export async function startRun(explicit: Partial<Settings>, options: StartOptions = {}, control: TrainControl = {}): Promise<TrainOutcome> {
  const {
    preset = "quick",
    run,
    steps,
    offline = false,
    tensorboard = false,
    detectAnomaly = false,
    profile = false,
    keep,
    budget,
  } = options;
  const { signal, observer = {} } = control;
  const onNote = (note: string): void => observer.note?.(note);
  const conv = explicit.conv === undefined ? {} : { conv: await loadFamilies(explicit.conv, { modules: "load" }) };
  const pretrained = explicit.initFrom === undefined ? undefined : await findPretrained(explicit.initFrom);
  const given = { ...explicit, ...conv };
  const wanted = await settingsWithin(budget, preset, pretrained === undefined ? given : inheritedSettings(pretrained, given), onNote);
  if (!isDataName(wanted.data)) checkInputSize(networkOf(wanted), inputSize(wanted));
  const classes = await classesOfData(wanted.data);
  checkMemoryNeed(wanted, classes.length, wanted.limitTrain ?? 1, totalmem());
  const path = run ?? (await defaultFolder(wanted));
  await RunFolder.checkFree(path);
  const backend = await startBackend(wanted);
  if (profile) checkProfile(backend, detectAnomaly);
  const images = await loadImages(wanted, {
    signal,
    onProgress: (progress) => observer.data?.(progress),
    unavailable: "synthetic",
    offline,
    onNote,
  });
  signal?.throwIfAborted();
  const dropLast = dropsLast(wanted, images.dataset.train.count);
  const settings = settingsOn(backend, { ...wanted, ...dataSettings(wanted, images), ...pathSettings(wanted), dropLast });
  if (dropLast && wanted.dropLast === undefined)
    onNote("each epoch leaves out its last batch, which would have one image: batch norms need more (keep it with --no-drop-last)");
  const teacher = await loadTeacher(settings, images.dataset.classes.length);
  const session = createSession(settings, images.dataset, teacher, onNote);
  await initialiseFromImages(session.trainer.model, images.dataset, onNote);
  session.trainer.detectAnomaly = detectAnomaly;
  const facts = factsOf(images.dataset);
  const initialised = pretrained && initialiseFrom(session.trainer.model, settings, facts, pretrained, onNote);
  const { fallback, fingerprint } = images;
  const record = { ...recordOf(facts), fingerprint, initialised };
  const config = createRunConfig({ preset, settings, fallback, teacher: teacher?.record, backend, keep, ...record });
  const folder = await RunFolder.create(path, config);
  try {
    const started = { config, images, folder, session, resumed: false, saved: false };
    observer.start?.(started);
    return await trainAndSave(started, { steps, tensorboard, profile }, control);
  } finally {
    await folder.close();
  }
}

/** @throws ConfigError for a device, which still computes when a kernel returns, and for a search that itself takes most of the time. */
export function checkProfile(backend: BackendReport, detectAnomaly: boolean): void {
  if (isGpuMode(backend.name))
    throw new ConfigError(
      `train: --profile needs --backend wasm or reference, got ${describeBackend(backend)}; separable bench --profile profiles a device`,
    );
  if (detectAnomaly) throw new ConfigError("train: --profile must not measure the search of --detect-anomaly, got both; leave out one");
}

/** The settings, with the hyper-parameter that keeps the network within the budget. @throws ConfigError when no hyper-parameter does. */
async function settingsWithin(
  budget: number | undefined,
  preset: PresetName,
  explicit: Partial<Settings>,
  onNote: (note: string) => void,
): Promise<Settings> {
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
  const solution = solveBudget(network, family, (await classesOfData(settings.data)).length, budget);
  onNote(describeSolution(solution, network, budget));
  return { ...settings, conv: formatConvolution(solution.convolution) };
}

/**
 * The data settings as the run records them: the images that were really used, and a folder that does not depend on the working directory.
 */
function dataSettings({ data, folder }: Settings, { dataset, fallback }: Images): Partial<Settings> {
  if (!isDataName(data)) return { data: resolve(data) };
  if (fallback === undefined) return { folder: folder === undefined ? undefined : resolve(folder) };
  return { data: "synthetic", folder: undefined, limitTrain: dataset.train.count, limitTest: dataset.test.count };
}

/** Paths to other runs that do not depend on the working directory. */
const pathSettings = ({ teacher, teacherCache, initFrom }: Settings): Partial<Settings> => ({
  ...(teacher === undefined ? {} : { teacher: resolve(teacher) }),
  ...(teacherCache === undefined ? {} : { teacherCache: resolve(teacherCache) }),
  ...(initFrom === undefined ? {} : { initFrom: resolve(initFrom) }),
});
