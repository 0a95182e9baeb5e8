/** The search for the learning rate of a recipe. It trains a network for some steps and keeps nothing of it. */

import { totalmem } from "node:os";
import type { Batch } from "../../data/batches.ts";
import { type FoundRate, findRate } from "../../train/find-rate.ts";
import { checkMemoryNeed } from "../memory-need.ts";
import type { PresetName } from "../presets.ts";
import type { Settings } from "../setting-rules.ts";
import { dropsLast, resolveSettings } from "../settings.ts";
import { settingsOn } from "./create-run-config.ts";
import { classesOfData } from "./data-classes.ts";
import { loadFamilies } from "./load-family.ts";
import { loadImages } from "./load-images.ts";
import { createSession, initialiseFromImages, type Session } from "./session.ts";
import { startBackend } from "./start-backend.ts";
import { loadTeacher } from "./teacher.ts";
import type { TrainObserver } from "./train-observer.ts";

export interface SearchRateOptions {
  /** The recipe that fills in the settings that are not given. Default: "quick". */
  readonly preset?: PresetName | undefined;
  /** The number of rates. Default: 100. */
  readonly steps?: number | undefined;
  /** Forbids downloads. Default: false. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly observer?: Pick<TrainObserver, "data" | "note"> & { readonly step?: (done: number) => void };
}

/** The number of rates that a search takes by default. */
export const usualRates = 100;

/**
 * Trains with the network, the objective, the batches and the optimiser of the settings, at rising rates (see `findRate`). The learning rate
 * and the schedule of the settings have no effect.
 * @throws ConfigError for settings that `startRun` refuses too, DataError when the images cannot be had.
 */
export async function searchRate(explicit: Partial<Settings>, options: SearchRateOptions = {}): Promise<FoundRate> {
  const { preset = "quick", steps = usualRates, offline = false, signal, observer = {} } = options;
  const onNote = (note: string): void => observer.note?.(note);
  const conv = explicit.conv === undefined ? {} : { conv: await loadFamilies(explicit.conv, { modules: "load" }) };
  const wanted = resolveSettings(preset, { ...explicit, ...conv });
  checkMemoryNeed(wanted, (await classesOfData(wanted.data)).length, wanted.limitTrain ?? 1, totalmem());
  const backend = await startBackend(wanted);
  const onProgress: TrainObserver["data"] = (progress) => observer.data?.(progress);
  const { dataset } = await loadImages(wanted, { signal, offline, onProgress, onNote });
  signal?.throwIfAborted();
  const settings = settingsOn(backend, { ...wanted, dropLast: dropsLast(wanted, dataset.train.count) });
  const teacher = await loadTeacher(settings, dataset.classes.length);
  const session = createSession(settings, dataset, teacher, onNote);
  const { schedule: _, batchesPerEpoch: __, ...training } = session.options;
  try {
    await initialiseFromImages(training.model, dataset, onNote);
    return await findRate({
      ...training,
      batches: epochsOf(session),
      steps,
      signal,
      onStep: async (done) => {
        observer.step?.(done);
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
  } finally {
    await session.close();
  }
}

/** The batches of one epoch after the other. */
async function* epochsOf({ trainBatches }: Session): AsyncGenerator<Batch, void, void> {
  for (let epoch = 0; ; epoch++) yield* trainBatches(epoch, 0);
}
