/** Resumes a training run from its checkpoint. */

import { totalmem } from "node:os";
import { join } from "node:path";
import { BackendError, ConfigError, DataError } from "../../core/errors.ts";
import type { DataProgress } from "../../data/node/cifar.ts";
import { restoreTrainer } from "../../train/checkpoint.ts";
import type { FoundCheckpoint } from "../../train/node/checkpoint-files.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import type { Progress } from "../../train/progress.ts";
import { type ImageFacts, imageFacts } from "../data-facts.ts";
import { checkMemoryNeed } from "../memory-need.ts";
import { prolong } from "../prolong.ts";
import { checkRunConfig, type RunConfig } from "../run-config.ts";
import { isDataName, optionName, type SettingName, type Settings } from "../setting-rules.ts";
import { findPretrained, initialiseFrom } from "./initialise-from.ts";
import { checkRecordedFamily } from "./load-family.ts";
import { factsOf, type Images, loadImages } from "./load-images.ts";
import { createSession, initialiseFromImages, type Session } from "./session.ts";
import { type BackendReport, describeDevice, startBackend } from "./start-backend.ts";
import { checkProfile, type InvocationOptions } from "./start-run.ts";
import { checkSameTeacher, loadTeacher } from "./teacher.ts";
import { hasEvents } from "./tensorboard-log.ts";
import { trainAndSave } from "./train-and-save.ts";
import type { TrainControl, TrainOutcome } from "./train-observer.ts";

/** Settings that may change when a run is resumed: where the data and the teacher lie, what computes the run, and how long it is. */
const changeable: readonly SettingName[] = [
  "data",
  "folder",
  "teacher",
  "teacherCache",
  "backend",
  "threads",
  "memoryLimit",
  "simd",
  "epochs",
];

/**
 * Trains the run in the folder `path` further, from its newest checkpoint that is whole. A run that was killed before its first checkpoint
 * begins anew.
 * @throws SeparableError; the run stays as it was saved last.
 */
export async function resumeRun(
  path: string,
  explicit: Partial<Settings> = {},
  options: InvocationOptions = {},
  control: TrainControl = {},
): Promise<TrainOutcome> {
  refuseFixed(Object.keys(explicit).filter((name) => !(changeable as readonly string[]).includes(name)));
  const folder = await RunFolder.openLocked(path);
  try {
    return await resumeLocked(folder, explicit, options, control);
  } finally {
    await folder.close();
  }
}

async function resumeLocked(
  folder: RunFolder,
  explicit: Partial<Settings>,
  options: InvocationOptions,
  control: TrainControl,
): Promise<TrainOutcome> {
  const { steps, offline = false, tensorboard = false, detectAnomaly = false, profile = false, keep } = options;
  const { signal, observer = {} } = control;
  const onNote = (note: string): void => observer.note?.(note);
  for (const note of folder.notes) onNote(note);
  const source = join(folder.path, "config.json");
  const recorded = checkRunConfig(await folder.config(), source);
  await checkRecordedFamily(recorded);
  const found = await folder.findNewest();
  const checkpoint = found?.checkpoint;
  const kept = keep === undefined || keep === recorded.keep ? recorded : { ...recorded, keep };
  const config = prolong(kept, explicit.epochs, checkpoint?.training?.progress.epoch ?? 0, onNote);
  const settings = resumedSettings(config, explicit);
  const backend = await startAgain(settings, explicit);
  if (profile) checkProfile(backend, detectAnomaly);
  const onProgress = (progress: DataProgress): void => observer.data?.(progress);
  const images = await loadImages(settings, { signal, onProgress, offline, onNote, facts: factsForResume(config) });
  checkSameImages(config, images, source);
  signal?.throwIfAborted();
  const teacher = await loadTeacher(settings, images.dataset.classes.length);
  checkSameTeacher(config.teacher, teacher?.record, source);
  checkMemoryNeed(settings, images.dataset.classes.length, images.dataset.train.count, totalmem());
  const session = createSession(settings, images.dataset, teacher, onNote);
  session.trainer.detectAnomaly = detectAnomaly;
  const saved = checkpoint && checkRunConfig(checkpoint.config, checkpoint.source);
  if (checkpoint === undefined) await beginAnew(session, config, settings, images, source, onNote);
  else restoreTrainer(session.trainer, checkpoint);
  checkSameSettings(config, saved, source);
  const [now, first, last] = [backend, config.environment.backend, (saved ?? config).environment.backend].map(describeDevice);
  if (now !== first || now !== last)
    onNote(
      `the run ${now === first ? `was last on ${last}` : `began on ${first}`} and goes on with ${now}: ` +
        "the last bits may differ from an unbroken run",
    );
  const { progress } = session.trainer;
  if (found !== undefined) {
    if (found.insteadOf !== undefined) onNote(describeLoss(found, progress, folder.metrics.length));
    await folder.adopt(found);
  }
  for (const repair of await folder.repairBest()) onNote(repair);
  await folder.rewind(progress.epoch);
  if (config !== recorded) await folder.writeConfig(config);
  const shown: Images = config.fallback === undefined ? images : { ...images, fallback: config.fallback };
  // On the backend with which the run began, its first report stays: it says why that backend was chosen, which a resumed run does not ask.
  const environment = now === first ? config.environment : { ...config.environment, backend };
  // The checkpoints from now on record the backend of today, but the settings with which the run began.
  const started = {
    config: { ...config, environment },
    images: shown,
    folder,
    session,
    resumed: true,
    saved: found !== undefined,
  };
  observer.start?.({ ...started, config: { ...started.config, settings, environment: { ...environment, backend } } });
  return trainAndSave(started, { steps, tensorboard: tensorboard || (await hasEvents(folder.path)), profile }, control);
}

/** Gives the network of a run without a checkpoint the weights that the run began with. @throws DataError when they cannot be found. */
async function beginAnew(
  { trainer }: Session,
  { compressed, converted, initialised }: RunConfig,
  settings: Settings,
  { dataset }: Images,
  source: string,
  onNote: (note: string) => void,
): Promise<void> {
  const origin = compressed ?? converted;
  if (origin !== undefined)
    throw new DataError(
      `run: ${source} must have a checkpoint beside it, got none: the command that made the run from ${origin.from} was stopped; ` +
        "delete the folder and run that command again",
    );
  onNote("the run was stopped before its first checkpoint: it begins anew");
  await initialiseFromImages(trainer.model, dataset, onNote);
  if (initialised === undefined) return;
  const pretrained = await findPretrained(initialised.from);
  if (pretrained.checkpoint.sha256 !== initialised.sha256)
    throw new DataError(
      `run: ${initialised.from} must hold the weights with which ${source} was written, got others; restore them, or begin a new run`,
    );
  initialiseFrom(trainer.model, settings, factsOf(dataset), pretrained, onNote);
}

/** Says which checkpoint replaces the newest one, and what is repeated. @param epochs The epochs that have metrics. */
function describeLoss({ checkpoint, insteadOf }: FoundCheckpoint, { epoch, step }: Progress, epochs: number): string {
  const place = `epoch ${epoch}${step > 0 ? ` and ${step} steps` : ""}`;
  const repeated =
    epochs === epoch ? "the later steps are" : epochs === epoch + 1 ? `epoch ${epochs} is` : `epochs ${epoch + 1} to ${epochs} are`;
  return `${insteadOf}. The run goes on from ${checkpoint.source}, after ${place}: ${repeated} repeated`;
}

/** @throws DataError when config.json and the checkpoint disagree. @param saved What the checkpoint records; undefined without one. */
function checkSameSettings(config: RunConfig, saved: RunConfig | undefined, source: string): void {
  if (saved === undefined) return;
  // A run that was prolonged, and killed before its next checkpoint, has a checkpoint with the epochs that it had before.
  const comparable = config.prolonged === undefined ? saved.settings : { ...saved.settings, epochs: config.settings.epochs };
  const changed = changedSettings(config.settings, comparable);
  if (changed.length > 0)
    throw new DataError(`run: ${source} must be as it was when the checkpoint was written, got another ${changed.join(", ")}; restore it`);
}

/** The facts by which a folder of images is read again. Any other data set has facts of its own. */
const factsForResume = (config: RunConfig): ImageFacts | undefined => (isDataName(config.settings.data) ? undefined : imageFacts(config));

/** @throws DataError when the files of a folder of images are not those with which the run began. */
function checkSameImages({ fingerprint, settings }: RunConfig, images: Images, source: string): void {
  if (fingerprint === undefined || fingerprint === images.fingerprint) return;
  throw new DataError(
    `run: the images in ${settings.data} must be those with which ${source} was written, got files of other names, sizes or classes; ` +
      "restore them, or begin a new run with --init-from",
  );
}

/** @throws ConfigError for options that the configuration of the run has decided. */
export function refuseFixed(names: readonly string[]): void {
  if (names.length === 0) return;
  const options = names.map(optionName).join(", ");
  throw new ConfigError(
    `train: --resume takes its settings from the run's config.json, got ${options} too; leave out what is decided already`,
  );
}

/**
 * The settings of the run with those given now.
 * @throws ConfigError for another data set: only the folder of a data set may lie elsewhere.
 */
export function resumedSettings({ settings, environment }: RunConfig, explicit: Partial<Settings>): Settings {
  // Runs of earlier versions record the build of the kernels in their environment only.
  const recorded = { ...settings, simd: settings.simd ?? environment.backend.simd };
  if (explicit.data !== undefined && explicit.data !== recorded.data && (isDataName(explicit.data) || isDataName(recorded.data)))
    refuseFixed(["data"]);
  return onBackend(recorded, explicit);
}

/** When the backend changes, the threads, the memory and the build of the old backend are dropped. */
function onBackend(recorded: Settings, explicit: Partial<Settings>): Settings {
  const moves = explicit.backend !== undefined && explicit.backend !== recorded.backend;
  return { ...recorded, ...(moves ? { threads: undefined, memoryLimit: undefined, simd: undefined } : {}), ...explicit };
}

/** Starts the backend that the run records. `auto` does not choose again, since another backend would not continue bit for bit. */
async function startAgain(settings: Settings, explicit: Partial<Settings>): Promise<BackendReport> {
  try {
    return await startBackend(settings);
  } catch (error) {
    if (!(error instanceof BackendError) || explicit.backend !== undefined || explicit.simd !== undefined) throw error;
    const [computes, option] = settings.simd === undefined ? [settings.backend, "--backend"] : [`${settings.simd} SIMD`, "--simd"];
    throw new BackendError(`${error.message}. The run is on ${computes}; to go on with another, name it by ${option}`, { cause: error });
  }
}

const changedSettings = (a: Settings, b: Settings): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (name) => JSON.stringify(a[name as SettingName]) !== JSON.stringify(b[name as SettingName]),
  );
