/** The wrappers around a backend: what they measure, and that they change nothing. The clock is the test's own. */

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { type KernelCall, timingBackend } from "../../src/backend/timing.ts";
import { cosineTransformMultiplyAdds } from "../../src/core/cosine-transform.ts";
import { Parameter } from "../../src/nn/state.ts";
import { batchNorm } from "../../src/ops/batch-norm.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { cosineTransform } from "../../src/ops/cosine-transform.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { add, relu } from "../../src/ops/elementwise.ts";
import { gather } from "../../src/ops/indexing.ts";
import { pad, permute } from "../../src/ops/layout.ts";
import { matmul } from "../../src/ops/matmul.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Sgd } from "../../src/train/sgd.ts";

let reference: Kernels;
let calls: KernelCall[];

beforeEach(() => {
  reference = createReferenceBackend();
  calls = [];
});

/** Times the kernels with a clock that shows these readings one after the other. */
const timed = (readings: Iterator<number>): Kernels =>
  timingBackend(
    reference,
    (call) => calls.push(call),
    () => readings.next().value as number,
  );

function* counting(): Generator<number> {
  for (let reading = 0; ; reading++) yield reading;
}

test("a call has the time between the two readings around it, and calls are told in their order", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(50)), { minLength: 1, maxLength: 20 }), (steps) => {
      calls = [];
      const gaps = steps.flat();
      const readings = gaps.map((_, i) => gaps.slice(0, i + 1).reduce((total, gap) => total + gap, 0));
      useBackend(timed(readings.values()));
      for (let i = 0; i < steps.length; i++) i % 2 === 0 ? zeros([3]) : tensor([1, 2]);
      expect(calls.map(({ start, milliseconds }) => [start, milliseconds])).toEqual(steps.map(([, busy], i) => [readings[2 * i]!, busy]));
      expect(calls.map(({ kernel }) => kernel)).toEqual(steps.map((_, i) => (i % 2 === 0 ? "full" : "upload")));
    }),
  );
});

const rows: readonly (readonly [what: string, kernel: string, bytes: number, multiplyAdds: number, op: (x: Tensor) => unknown])[] = [
  // x is [2,4,3,3]: 72 elements of 4 bytes.
  ["an elementwise op of one operand", "unary relu", 4 * (72 + 72), 0, relu],
  ["an elementwise op of two operands", "binary add", 4 * (72 + 72 + 72), 0, (x) => add(x, x)],
  ["a copy of a view", "readView", 4 * (72 + 72), 0, (x) => permute(x, [1, 0, 2, 3])],
  [
    "a padding",
    "assemble",
    4 * (72 + 2 * 4 * 5 * 3),
    0,
    (x) =>
      pad(x, [
        [0, 0],
        [0, 0],
        [1, 1],
        [0, 0],
      ]),
  ],
  ["a matrix product", "matmul", 4 * (72 + 72 + 2 * 4 * 9), 2 * 4 * 3 * 3 * 3, (x) => matmul(x, x)],
  [
    "a cosine transform along 3 elements",
    "cosineTransform",
    4 * (72 + 72),
    24 * cosineTransformMultiplyAdds(3),
    (x) => cosineTransform(x, { axis: 2 }),
  ],
];

describe("what a call moves and computes, by hand", () => {
  test.each(rows)("%s", (_, kernel, bytes, multiplyAdds, op) => {
    useBackend(reference);
    const x = tensor(
      Float32Array.from({ length: 72 }, (__, i) => i),
      { shape: [2, 4, 3, 3] },
    );
    useBackend(timed(counting()));
    op(x);
    expect(calls).toMatchObject([{ kernel, bytes, multiplyAdds }]);
  });

  test("a convolution, a batch norm, a gather and an update of SGD", () => {
    useBackend(reference);
    const x = zeros([2, 4, 3, 3]);
    const w = zeros([6, 4, 3, 3]);
    const [gamma, beta] = [zeros([4]), zeros([4])];
    const indices = tensor(new Int32Array([0, 1, 1]));
    const parameter = new Parameter(zeros([10]));
    const optimizer = new Sgd([{ parameters: new Map([["p", parameter]]) }], { momentum: 0.9 });
    useBackend(timed(counting()));
    conv2d(x, w, { padding: 1 });
    batchNorm(x, gamma, beta);
    gather(x, indices, 0);
    optimizer.step([zeros([10])], 0.1);
    expect(calls.map(({ kernel, bytes, multiplyAdds }) => [kernel, bytes, multiplyAdds])).toEqual([
      ["conv2d", 4 * (72 + 216 + 108), 2 * 6 * 9 * 4 * 9],
      ["batchNorm", 4 * (72 + 4 + 4 + 72 + 4 + 4), 0],
      ["gather", 4 * (2 * 3 * 36 + 3), 0],
      ["full", 4 * 10, 0],
      // p and v are read and written, and the gradient is read.
      ["sgdUpdate", 4 * 5 * 10, 0],
    ]);
  });
});
