/** One benchmark on the active backend, from operands to a row of results. */

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
  /** Median time of one repetition. */
  readonly ms: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly repeats: number;
  /** 2·multiply-adds/time in 10⁹/s; 0 for work without multiply-adds. */
  readonly gflops: number;
  /** Compulsory traffic/time in 10⁹ bytes/s, of elementwise work. */
  readonly gigabytesPerSecond?: number;
  /** The most the backend held at once, operands included. */
  readonly peakBytes: number;
  /** The most the whole process ever held resident: of this benchmark only when it runs alone. */
  readonly processPeakBytes: number;
}

/** One element, copied: once it can be read, everything computed before it is done. */
export const firstElement = ({ storage }: Tensor): Tensor =>
  new Tensor([1], kernels().readView(storage, { shape: [1], strides: [1], offset: 0 }));

/** Five digits: clocks and caches vouch for no more. */
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
