/** The memory of a training step: no structured network holds more at its peak than the network of dense convolutions. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { disposeBackend, initBackend, kernels } from "../../src/backend/active.ts";
import { benchmarks, trainingStep } from "../../src/bench/benchmarks.ts";
import { prepareWorkload } from "../../src/bench/workload.ts";
import { scope } from "../../src/tensor/scope.ts";

beforeAll(async () => {
  await initBackend(["wasm"], { threads: 1 });
});
afterAll(disposeBackend);

/** The most that a step of WRN-16-2 on 32 images holds, the network and the momentum included. The first step makes the momentum. */
function peakOf(convolution: string): number {
  const workload = prepareWorkload(trainingStep(16, 2, 32, convolution).problem);
  try {
    scope(() => void workload.run());
    kernels().resetPeak();
    scope(() => void workload.run());
    return kernels().memory().peak;
  } finally {
    workload.dispose();
  }
}

const measured = benchmarks.flatMap(({ problem }) =>
  problem.kind === "trainingStep" && problem.depth === 16 ? [problem.convolution] : [],
);
const others = [
  "BLAST_0.25",
  "Kronecker_4",
  "Tucker_0.41",
  "CP_0.5",
  "LR_0.25",
  "MatrixTensorTrain_8",
  "SepHashed_0.2",
  "HashedSeparable_0.2",
];

test("every structured network stays below the dense one", () => {
  const dense = peakOf("Conv");
  const above = [...new Set([...measured, ...others])].map((name) => [name, peakOf(name)] as const).filter(([, peak]) => peak > dense);
  expect(above).toEqual([]);
});
