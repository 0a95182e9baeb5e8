/** Profiles one repetition of a benchmark on a backend whose kernels have computed when they return: kernel by kernel, layer by layer. */

import { kernels } from "../backend/active.ts";
import { type Profile, profile } from "../nn/profile.ts";
import { scope } from "../tensor/scope.ts";
import type { Benchmark } from "./benchmarks.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { type MeasuredRow, measuredRow } from "./measured-row.ts";
import { type ProfileRows, profileRows } from "./profile-rows.ts";
import { runToEnd } from "./run-benchmark.ts";
import { prepareWorkload } from "./workload.ts";

/** The times of the row are those of repetitions without profiling. */
export interface BenchmarkProfile extends MeasuredRow {
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
    const timing = await measure(() => runToEnd(workload), options);
    const { profile: taken } = profile(() => scope(() => void workload.run()), { model: workload.model });
    return { row: { ...measuredRow(name, timing), profile: profileRows(taken) }, profile: taken };
  } finally {
    workload.dispose();
  }
}
