/** Profiles one repetition of a benchmark on a backend whose kernels have computed when they return: kernel by kernel, layer by layer. */

import { kernels, memory } from "../backend/active.ts";
import { type Profile, profile } from "../nn/profile.ts";
import { scope } from "../tensor/scope.ts";
import type { Benchmark } from "./benchmarks.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { type ProfileRows, profileRows } from "./profile-rows.ts";
import { rounded, runToEnd } from "./run-benchmark.ts";
import { prepareWorkload } from "./workload.ts";

export interface BenchmarkProfile {
  readonly name: string;
  readonly backend: string;
  readonly threads: number;
  /** The median time of a repetition without profiling, in milliseconds. */
  readonly ms: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
  /** The most bytes that the backend held at once, operands included. */
  readonly peakBytes: number;
  /** The sums of the profiled repetition, whose time is a little longer. */
  readonly profile: ProfileRows;
}

/** Measures the benchmark first, which warms it up, and profiles the next repetition. */
export async function profileBenchmark(
  { name, problem }: Benchmark,
  options: MeasureOptions,
): Promise<{ readonly row: BenchmarkProfile; readonly profile: Profile }> {
  const workload = prepareWorkload(problem);
  try {
    kernels().resetPeak();
    const { medianMs, minMs, maxMs, repeats } = await measure(() => runToEnd(workload), options);
    const { profile: taken } = profile(() => scope(() => void workload.run()), { model: workload.model });
    const row = {
      ...{ name, backend: kernels().name, threads: kernels().threads },
      ...{ ms: rounded(medianMs), minMs: rounded(minMs), maxMs: rounded(maxMs), repeats },
      ...{ peakBytes: memory().peak, profile: profileRows(taken) },
    };
    return { row, profile: taken };
  } finally {
    workload.dispose();
  }
}
