/** Resumes a training run from its checkpoint. */

import { join } from "node:path";
import { BackendError, ConfigError, DataError } from "../../core/errors.ts";
import type { DataProgress } from "../../data/node/cifar.ts";
import { restoreTrainer } from "../../train/checkpoint.ts";
import { RunFolder } from "../../train/node/run-folder.ts";
import { type ImageFacts, imageFacts } from "../data-facts.ts";
import { prolong } from "../prolong.ts";
import { checkRunConfig, type RunConfig } from "../run-config.ts";
import { isDataName, optionName, type SettingName, type Settings } from "../setting-rules.ts";
import { loadRecordedFamily } from "./load-family.ts";
import { type Images, loadImages } from "./load-images.ts";
import { createSession } from "./session.ts";
import { type BackendReport, describeDevice, startBackend } from "./start-backend.ts";
import type { InvocationOptions } from "./start-run.ts";
import { checkSameTeacher, loadTeacher } from "./teacher.ts";
import { hasEvents } from "./tensorboard-log.ts";
import { trainAndSave } from "./train-and-save.ts";
import type { TrainControl, TrainOutcome } from "./train-observer.ts";

/** Settings that may change when a run is resumed: where the data and the teacher lie, what computes the run, and how long it is. */
const changeable: readonly SettingName[] = ["data", "folder", "teacher", "backend", "threads", "memoryLimit", "simd", "epochs"];

/** Trains the run in the folder `path` further. @throws SeparableError; the run stays as it was saved last. */
export async function resumeRun(
  path: string,
  explicit: Partial<Settings> = {},
  options: InvocationOptions = {},
  control: TrainControl = {},
): Promise<TrainOutcome> {
  const { steps, offline = false, tensorboard = false } = options;
  const { signal, observer = {} } = control;
  const onNote = (note: string): void => observer.note?.(note);
  refuseFixed(Object.keys(explicit).filter((name) => !(changeable as readonly string[]).includes(name)));
  const folder = await RunFolder.open(path);
  const source = join(path, "config.json");
  const recorded = checkRunConfig(await folder.config(), source);
  await loadRecordedFamily(recorded, "load");
  const checkpoint = await folder.readCheckpoint("checkpoint");
  const config = prolong(recorded, explicit.epochs, checkpoint.training?.progress.epoch ?? 0, onNote);
  const settings = resumedSettings(config, explicit);
  const backend = await startAgain(settings, explicit);
  const onProgress = (progress: DataProgress): void => observer.data?.(progress);
  const images = await loadImages(settings, { signal, onProgress, offline, onNote, facts: factsForResume(config) });
  checkSameImages(config, images, source);
  signal?.throwIfAborted();
  const teacher = await loadTeacher(settings, images.dataset.classes.length);
  checkSameTeacher(config.teacher, teacher?.record, source);
  const session = createSession(settings, images.dataset, teacher?.teaching, onNote);
  restoreTrainer(session.trainer, checkpoint);
  const saved = checkRunConfig(checkpoint.config, checkpoint.source);
  // A run that was prolonged, and killed before its next checkpoint, has a checkpoint with the epochs that it had before.
  const comparable = config.prolonged === undefined ? saved.settings : { ...saved.settings, epochs: config.settings.epochs };
  const changed = changedSettings(config.settings, comparable);
  if (changed.length > 0)
    throw new DataError(`run: ${source} must be as it was when the checkpoint was written, got another ${changed.join(", ")}; restore it`);
  const [now, first, last] = [backend, config.environment.backend, saved.environment.backend].map(describeDevice);
  if (now !== first || now !== last)
    onNote(
      `the run ${now === first ? `was last on ${last}` : `began on ${first}`} and goes on with ${now}: ` +
        "the last bits may differ from an unbroken run",
    );
  await folder.rewind(session.trainer.progress.epoch);
  if (config !== recorded) await folder.writeConfig(config);
  const shown: Images = config.fallback === undefined ? images : { ...images, fallback: config.fallback };
  const environment = { ...config.environment, backend };
  // The checkpoints from now on record the backend of today, but the settings with which the run began.
  const started = { config: { ...config, environment }, images: shown, folder, session, resumed: true };
  observer.start?.({ ...started, config: { ...started.config, settings } });
  return trainAndSave(started, { steps, tensorboard: tensorboard || (await hasEvents(folder.path)) }, control);
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
