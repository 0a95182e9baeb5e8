/** Long work with progress on stderr: loading images, and testing a network. */

import type { Dataset } from "../data/dataset.ts";
import type { DataProgress } from "../data/node/cifar.ts";
import { type ImageSettings, type Images, type LoadImagesOptions, loadImages } from "../experiment/node/load-images.ts";
import { testBatches } from "../experiment/node/session.ts";
import { type Classifier, type EvaluateOptions, type Evaluation, evaluate } from "../train/evaluate.ts";
import { formatMegabytes } from "./format.ts";
import { type ProgressJob, type ProgressStyle, startJob } from "./progress.ts";
import { type Terminal, writeNote } from "./terminal.ts";

/** Where progress is shown, and the signal that stops the work. */
export interface ProgressContext {
  readonly terminal: Terminal;
  readonly style: ProgressStyle;
  readonly signal: AbortSignal;
}

/** Shows a bar for each stage of a download. Reading a cache is too quick for a bar. */
export function downloadBars({ terminal, style }: Pick<ProgressContext, "terminal" | "style">): {
  report: (progress: DataProgress) => void;
  stop: () => void;
} {
  let job: ProgressJob | undefined;
  let shown = "";
  const stop = (): void => {
    job?.stop();
    job = undefined;
    shown = "";
  };
  return {
    stop,
    report: ({ stage, source, done, total, unit }) => {
      if (stage === "read" || total === undefined) return;
      if (shown !== stage + source) {
        stop();
        shown = stage + source;
        const label = { download: `downloading (${source})`, convert: "converting", decode: "decoding images" }[stage];
        job = startJob(terminal.stderr, style, { label, total, amount: unit === "bytes" ? formatMegabytes : String });
      }
      job?.update(done);
    },
  };
}

export async function loadImagesWithProgress(
  settings: ImageSettings,
  context: ProgressContext,
  options: Pick<LoadImagesOptions, "offline" | "facts"> = {},
): Promise<Images> {
  const bars = downloadBars(context);
  try {
    return await loadImages(settings, {
      signal: context.signal,
      onProgress: bars.report,
      onNote: (note) => writeNote(context.terminal, note),
      ...options,
    });
  } finally {
    bars.stop();
  }
}

/** Tests a network on the test images. @throws the reason of the signal when it is aborted. */
export async function evaluateWithProgress(
  network: Classifier,
  dataset: Dataset,
  { label, batchSize, predict }: { readonly label: string; readonly batchSize: number } & Pick<EvaluateOptions, "predict">,
  { terminal, style, signal }: ProgressContext,
): Promise<Evaluation> {
  const job = startJob(terminal.stderr, style, { label, total: dataset.test.count });
  const batches = testBatches(dataset, batchSize, (note) => writeNote(terminal, note));
  const evaluation = await evaluate(network, batches, {
    imageShape: [dataset.channels, dataset.height, dataset.width],
    classes: dataset.classes.length,
    predict,
    signal,
    onBatch: async (done) => {
      job.update(done);
      await turnEventLoop();
    },
  }).finally(() => job.stop());
  if (evaluation === undefined) throw signal.reason;
  return evaluation;
}

/** Ctrl-C arrives only when the event loop turns. */
export const turnEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
