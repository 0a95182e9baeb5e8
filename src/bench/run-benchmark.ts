/** Runs one benchmark on the active backend. */

import { kernels, memory } from "../backend/active.ts";
import { scope } from "../tensor/scope.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Benchmark, compulsoryBytes } from "./benchmarks.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { countMultiplyAdds } from "./multiply-adds.ts";
import { prepareWorkload } from "./workload.ts";

export interface BenchmarkRow {
  readonly name: string;
  readonly backend: string;
  readonly threads: number;
  /** The median time of one repetition in milliseconds. */
  readonly ms: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
  /** 2·multiply-adds/time in 10⁹/s; 0 for work without multiply-adds. */
  readonly gflops: number;
  /** Compulsory traffic/time in 10⁹ bytes/s; absent for work that is not elementwise. */
  readonly gigabytesPerSecond?: number;
  /** The most bytes that the backend held at once, operands included. */
  readonly peakBytes: number;
  /** The largest resident size of the process so far, in bytes. It belongs to this benchmark only when no other ran before. */
  readonly processPeakBytes: number;
}

/** A copy of one element. Once the copy can be read, all earlier work is done. */
export const firstElement = ({ storage }: Tensor): Tensor =>
  new Tensor([1], kernels().readView(storage, { shape: [1], strides: [1], offset: 0 }));

/** Rounds to five digits, since the noise of a timing is larger than the sixth. */
const rounded = (value: number): number => Number(value.toPrecision(5));

export async function runBenchmark({ name, problem }: Benchmark, options: MeasureOptions): Promise<BenchmarkRow> {
  const workload = prepareWorkload(problem);
  try {
    const multiplyAdds = countMultiplyAdds(() => scope(() => void workload.run()));
    kernels().resetPeak();
    const timing = await measure(async () => {
      const end = scope(() => firstElement(workload.run().at(-1)!));
      await end.data();
      end.dispose();
    }, options);
    const perSecond = (amount: number): number => rounded(amount / (timing.medianMs * 1e6));
    const bytes = compulsoryBytes(problem);
    return {
      name,
      backend: kernels().name,
      threads: kernels().threads,
      ms: rounded(timing.medianMs),
      minMs: rounded(timing.minMs),
      maxMs: rounded(timing.maxMs),
      repeats: timing.repeats,
      gflops: perSecond(2 * multiplyAdds),
      ...(bytes === undefined ? {} : { gigabytesPerSecond: perSecond(bytes) }),
      peakBytes: memory().peak,
      processPeakBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    workload.dispose();
  }
}
