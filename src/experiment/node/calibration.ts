/** A short race between two backends over what training does most: the clock's word, where no figure of ours can know the device. */

import { useBackend } from "../../backend/active.ts";
import type { Kernels } from "../../backend/kernels.ts";
import type { Problem } from "../../bench/benchmarks.ts";
import { measure, timeOnce } from "../../bench/measure.ts";
import { firstElement } from "../../bench/run-benchmark.ts";
import { prepareWorkload } from "../../bench/workload.ts";
import { scope } from "../../tensor/scope.ts";

const convolution = (channels: number, size: number): Problem => ({
  kind: "convolution",
  batch: 16,
  inChannels: channels,
  outChannels: channels,
  size,
  groups: 1,
  backward: true,
});

/** Of a WideResNet's first and last stage: large images of few channels, and small ones of many; normalised, and a matrix product. */
export const calibrationProblems: readonly Problem[] = [
  convolution(16, 32),
  { kind: "batchNorm", batch: 16, channels: 16, size: 32 },
  convolution(64, 8),
  { kind: "gemm", size: 256 },
];

/** Median milliseconds of a round. */
export interface Comparison {
  readonly gpuMs: number;
  readonly wasmMs: number;
}

/**
 * A round is all problems one after another and, at its end, one number read: a training step waits for its device once as well, not after
 * each op. The first round compiles; the second decides alone when it takes longer than `hopeless`. No backend is active afterwards.
 */
export async function timeRound(backend: Kernels, { problems = calibrationProblems, hopeless = Infinity } = {}): Promise<number> {
  useBackend(backend);
  try {
    const workloads = problems.map(prepareWorkload);
    try {
      const round = async (): Promise<void> => {
        const end = scope(() => firstElement(workloads.flatMap((workload) => workload.run()).at(-1)!));
        await end.data();
        end.dispose();
      };
      await round();
      const first = await timeOnce(round);
      return first > hopeless ? first : (await measure(round, { repeats: 3, minSeconds: 0.1 })).medianMs;
    } finally {
      for (const workload of workloads) workload.dispose();
    }
  } finally {
    useBackend(undefined);
  }
}

/** A device far behind is not waited for: three times as slow is more than chance. */
export async function compareBackends(gpu: Kernels, wasm: Kernels): Promise<Comparison> {
  const wasmMs = await timeRound(wasm);
  return { wasmMs, gpuMs: await timeRound(gpu, { hopeless: 3 * wasmMs }) };
}
