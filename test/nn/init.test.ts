/** Initialisers: the bound or the variance that their paper gives, and the dependence on the seed. */

import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { constant, dirac, fanIn, fanOut, normalFanOut, uniformFanIn } from "../../src/nn/init.ts";
import { Linear } from "../../src/nn/linear.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { normal } from "../../src/ops/creation.ts";
import { slice } from "../../src/ops/layout.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (seed: number) => ({ random: new Random(seed), dtype: "float64" as const });

function moments(values: ArrayLike<number>): { mean: number; variance: number; largest: number } {
  const list = Array.from(values);
  const mean = list.reduce((sum, v) => sum + v, 0) / list.length;
  return { mean, variance: list.reduce((sum, v) => sum + (v - mean) ** 2, 0) / list.length, largest: Math.max(...list.map(Math.abs)) };
}

test("fan-in counts the inputs of an output, fan-out the outputs of an input", () => {
  expect([fanIn([8, 3, 5, 5]), fanOut([8, 3, 5, 5])]).toEqual([75, 200]);
  expect([fanIn([8, 3]), fanOut([8, 3])]).toEqual([3, 8]);
  expect([fanIn([8]), fanOut([8])]).toEqual([1, 8]);
});

describe.each([[[64, 32, 3, 3]], [[200, 90]]])("of %j, within 5 standard errors", (shape) => {
  const count = shape.reduce((product, size) => product * size, 1);

  test("uniformFanIn is uniform in ±1/√fanIn", async () => {
    const bound = 1 / Math.sqrt(fanIn(shape));
    const { mean, variance, largest } = moments(await uniformFanIn(shape, build(1)).data());
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(0.99 * bound);
    expect(Math.abs(mean)).toBeLessThan((5 * bound) / Math.sqrt(3 * count));
    expect(Math.abs(variance / (bound ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(0.8 / count));
  });

  test("normalFanOut has variance 2/fanOut", async () => {
    const { mean, variance } = moments(await normalFanOut(shape, build(2)).data());
    const wanted = 2 / fanOut(shape);
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(wanted / count));
    expect(Math.abs(variance / wanted - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  });
});

test("the same seed gives the same numbers, in the dtype that the build names", async () => {
  for (const make of [uniformFanIn, normalFanOut]) {
    expect(await make([3, 4], build(1)).data()).toEqual(await make([3, 4], build(1)).data());
    expect(await make([3, 4], build(1)).data()).not.toEqual(await make([3, 4], build(2)).data());
    expect([make([2, 2], build(1)).dtype, make([2, 2], { random: new Random(1) }).dtype]).toEqual(["float64", "float32"]);
  }
  expect([...(await constant([2], 0.5, build(1)).data())]).toEqual([0.5, 0.5]);
});

test("the bound of a bias is that of its weight, as in PyTorch", async () => {
  const linear = new Linear(1000, 500, build(3));
  const conv = new Conv2d(40, 500, 5, build(4), { bias: true });
  for (const { bias } of [linear, conv]) {
    const { largest } = moments(await bias!.read());
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(1000));
    expect(largest).toBeGreaterThan(0.97 / Math.sqrt(1000));
  }
});

describe("dirac", () => {
  test("makes a convolution whose first outputs are its first inputs, and draws the other outputs", async () => {
    for (const [outputs, inputs, kernel] of [
      [2, 4, 3],
      [4, 4, 1],
      [5, 3, 5],
    ] as const) {
      const x = normal([2, inputs, 6, 7], new Random(5), { dtype: "float64" });
      const w = dirac(normalFanOut)([outputs, inputs, kernel, kernel], build(3));
      const y = conv2d(x, w, { padding: (kernel - 1) / 2 });
      const copies = Math.min(outputs, inputs);
      expect([...(await slice(y, [undefined, [0, copies]]).data())]).toEqual([...(await slice(x, [undefined, [0, copies]]).data())]);
      const drawn = await normalFanOut([outputs, inputs, kernel, kernel], build(3)).data();
      const size = inputs * kernel * kernel;
      expect([...(await w.data()).slice(copies * size)]).toEqual([...drawn.slice(copies * size)]);
    }
  });

  test("refuses a weight without a window", () => expect(() => dirac()([2, 2], build(0))).toThrow(ShapeError));
});
