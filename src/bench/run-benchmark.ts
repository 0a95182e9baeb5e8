/** Runs one benchmark on the active backend. */

import { kernels } from "../backend/active.ts";
import { scope } from "../tensor/scope.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Benchmark, benchmarks, compulsoryBytes, type TrainingStepProblem } from "./benchmarks.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { type MeasuredRow, measuredRow, rounded } from "./measured-row.ts";
import { countMultiplyAdds } from "./multiply-adds.ts";
import { prepareWorkload, type Workload } from "./workload.ts";

export interface BenchmarkRow extends MeasuredRow {
  /** The multiply-adds that a repetition executes. */
  readonly multiplyAdds: number;
  /** 2·multiply-adds/time in 10⁹/s; 0 for work without multiply-adds. */
  readonly gflops: number;
  /** Compulsory traffic/time in 10⁹ bytes/s; absent for work that is not elementwise. */
  readonly gigabytesPerSecond?: number;
  /** The largest resident size of the process so far, in bytes. It belongs to this benchmark only when no other ran before. */
  readonly processPeakBytes: number;
}

/** A copy of one element. Once the copy can be read, all earlier work is done. */
export const firstElement = ({ storage }: Tensor): Tensor =>
  new Tensor([1], kernels().readView(storage, { shape: [1], strides: [1], offset: 0 }));

/** Runs one repetition and waits until its last result is computed. */
export async function runToEnd(workload: Workload): Promise<void> {
  const end = scope(() => firstElement(workload.run().at(-1)!));
  await end.data();
  end.dispose();
}

export async function runBenchmark({ name, problem }: Benchmark, options: MeasureOptions): Promise<BenchmarkRow> {
  const workload = prepareWorkload(problem);
  try {
    const multiplyAdds = countMultiplyAdds(() => scope(() => void workload.run()));
    kernels().resetPeak();
    const timing = await measure(() => runToEnd(workload), options);
    const perSecond = (amount: number): number => rounded(amount / (timing.medianMs * 1e6));
    const bytes = compulsoryBytes(problem);
    return {
      ...measuredRow(name, timing),
      multiplyAdds,
      gflops: perSecond(2 * multiplyAdds),
      ...(bytes === undefined ? {} : { gigabytesPerSecond: perSecond(bytes) }),
      processPeakBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    workload.dispose();
  }
}

/** The time of a training step of a structured network, relative to the same step of a plain network. Less is better. */
export interface StepRatios {
  /** The time divided by that of the network of dense convolutions; undefined unless both ran. */
  readonly overConv?: number;
  /** The time divided by that of the network of dense separable convolutions. */
  readonly overSep?: number;
}

/**
 * The rows, where each training step of a structured network has its ratios to the steps of `Conv` and `Sep` among the rows.
 * @param known The benchmarks that the rows name.
 */
export function withStepRatios<Row extends Pick<BenchmarkRow, "name" | "ms">>(
  rows: readonly Row[],
  known: readonly Benchmark[] = benchmarks,
): (Row & StepRatios)[] {
  const stepOf = (name: string): TrainingStepProblem | undefined => {
    const problem = known.find((benchmark) => benchmark.name === name)?.problem;
    return problem?.kind === "trainingStep" ? problem : undefined;
  };
  return rows.map((row) => {
    const own = stepOf(row.name);
    const over = (convolution: string): number | undefined => {
      const other = rows.find(({ name }) => {
        const step = stepOf(name);
        return step !== undefined && own !== undefined && sameStep(step, { ...own, convolution });
      });
      return other === undefined || other === row ? undefined : rounded(row.ms / other.ms);
    };
    if (own === undefined || own.convolution === "Conv") return row;
    const [overConv, overSep] = [over("Conv"), over("Sep")];
    return { ...row, ...(overConv === undefined ? {} : { overConv }), ...(overSep === undefined ? {} : { overSep }) };
  });
}

const sameStep = (a: TrainingStepProblem, b: TrainingStepProblem): boolean =>
  a.depth === b.depth && a.width === b.width && a.batch === b.batch && a.convolution === b.convolution;
