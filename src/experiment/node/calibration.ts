/** Times two backends on the operations that dominate training. `auto` needs the clock because no stored figure knows the device. */

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

/** Convolutions of the first and the last stage of a WideResNet, a batch norm, and a matrix product. */
export const calibrationProblems: readonly Problem[] = [
  convolution(16, 32),
  { kind: "batchNorm", batch: 16, channels: 16, size: 32 },
  convolution(64, 8),
  { kind: "gemm", size: 256 },
];

/** The median time of a round of each backend, in milliseconds. */
export interface Comparison {
  readonly gpuMs: number;
  readonly wasmMs: number;
}

/**
 * The time of a round on `backend`, in milliseconds. A round solves all problems one after another and then reads one number, as a training
 * step does: it waits for its device once, and not after each op. The first round compiles. No backend is active afterwards.
 *
 * @param options.problems what a round solves. Default: `calibrationProblems`.
 * @param options.hopeless milliseconds. When the second round takes longer, its time is the result and no further round is timed. Default:
 * ∞.
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

/** A device that takes three times as long as wasm is timed once only: noise does not explain a factor of three. */
export async function compareBackends(gpu: Kernels, wasm: Kernels): Promise<Comparison> {
  const wasmMs = await timeRound(wasm);
  return { wasmMs, gpuMs: await timeRound(gpu, { hopeless: 3 * wasmMs }) };
}
