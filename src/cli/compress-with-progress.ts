/** The two long steps of `separable compress`, each with a bar over the layers: the choice of the ranks, and the compression. */

import { type Compression, compress } from "../compress/compress.ts";
import { type CompressionPlan, planCompression } from "../compress/plan.ts";
import { Random } from "../core/random.ts";
import type { Network } from "../experiment/network-spec.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { familyOptionsOf, networkOf } from "../experiment/settings.ts";
import type { AttentiveClassifier } from "../train/evaluate.ts";
import { startJob } from "./progress.ts";
import { type ProgressContext, turnEventLoop } from "./with-progress.ts";

/** What a plan is made for. */
export interface PlanRequest {
  /** The family alone, such as Generic. */
  readonly family: string;
  readonly goal: { readonly error: number } | { readonly parameters: number };
  /** The most windows of a layer. Default: that of `planCompression`. */
  readonly windows: number | undefined;
}

/** Called and awaited after each layer. */
type OnLayer = (name: string, done: number, total: number) => Promise<void>;

/** Shows a bar while `work` goes over the layers of a network, and ends the work after a layer when the signal is aborted. */
async function overLayers<T>(
  label: string,
  { terminal, style, signal }: ProgressContext,
  work: (onLayer: OnLayer) => Promise<T>,
): Promise<T> {
  let job: ReturnType<typeof startJob> | undefined;
  try {
    return await work(async (name, done, total) => {
      job ??= startJob(terminal.stderr, style, { label, total });
      job.update(done, { details: [name] });
      await turnEventLoop();
      signal.throwIfAborted();
    });
  } finally {
    job?.stop();
  }
}

/** Chooses the rank and the windows of each layer. */
export const planWithProgress = (
  dense: Network,
  { family, goal, windows }: PlanRequest,
  seed: number,
  progress: ProgressContext,
): Promise<CompressionPlan> =>
  overLayers("choosing ranks", progress, (onLayer) =>
    planCompression(dense, family, goal, { seed, ...(windows !== undefined && { windows }), onLayer }),
  );

/** The network with its convolutions replaced as the settings say. */
export const compressWithProgress = (
  dense: Network,
  target: Settings,
  progress: ProgressContext,
): Promise<Compression<AttentiveClassifier>> =>
  overLayers("compressing", progress, (onLayer) =>
    compress(dense, networkOf(target).convolution, {
      ...familyOptionsOf(target),
      // Compression overwrites every number, so the initialisation is the one that decomposes no matrix.
      init: "variance-preserving",
      build: { random: new Random(target.seed) },
      onLayer: ({ name }, done, total) => onLayer(name, done, total),
    }),
  );
