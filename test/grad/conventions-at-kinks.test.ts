/** Where a derivative jumps, its value is a convention. These are the conventions of this library. */

import { expect, test } from "vitest";
import { gradients } from "../../src/grad/gradients.ts";
import { ones, tensor } from "../../src/ops/creation.ts";
import { absolute, clamp, maximum, minimum, power, relu, relu6, where } from "../../src/ops/elementwise.ts";
import { maxPool2d } from "../../src/ops/pooling.ts";
import { max } from "../../src/ops/reductions.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

/** The derivatives of f by each input, for a cotangent of ones. */
async function slopes(f: (...inputs: Tensor[]) => Tensor, ...inputs: number[][]): Promise<number[][]> {
  const leaves = inputs.map((values) => tensor(Float64Array.from(values)));
  const y = f(...leaves);
  const results = gradients(y, leaves, { seed: ones(y.shape, { dtype: "float64" }), unused: "zeros" });
  return Promise.all(results.map(async (g) => [...(await g.data())].map((v) => v + 0)));
}

test("relu has slope 0 at 0, and relu6 has slope 0 at 0 and at 6", async () => {
  expect(await slopes(relu, [-1, -0, 0, 1])).toEqual([[0, 0, 0, 1]]);
  expect(await slopes(relu6, [-1, 0, 3, 6, 7])).toEqual([[0, 0, 1, 0, 0]]);
});

test("absolute has slope 0 at 0", async () => expect(await slopes(absolute, [-2, 0, 2])).toEqual([[-1, 0, 1]]));

test("clamp has slope 1 at its edges", async () =>
  expect(await slopes((x) => clamp(x, -1, 1), [-1.1, -1, 0, 1, 1.1])).toEqual([[0, 1, 1, 1, 0]]));

test("maximum and minimum give half to each of two equal operands", async () => {
  expect(await slopes(maximum, [1, 2, 3], [2, 2, 2])).toEqual([
    [0, 0.5, 1],
    [1, 0.5, 0],
  ]);
  expect(await slopes(minimum, [1, 2, 3], [2, 2, 2])).toEqual([
    [1, 0.5, 0],
    [0, 0.5, 1],
  ]);
});

test("max gives equal shares to all elements that attain it", async () => {
  expect(await slopes((x) => max(x), [1, 3, 3, 0, 3])).toEqual([[0, 1 / 3, 1 / 3, 0, 1 / 3]]);
  expect(await slopes((x) => max(x), [-Infinity, -Infinity])).toEqual([[0.5, 0.5]]);
});

test("maxPool2d gives all to the first of several equal elements", async () => {
  const x = tensor(Float64Array.of(1, 1, 1, 1, 0, 2, 2, 0), { shape: [1, 2, 2, 2] });
  const y = maxPool2d(x, { kernel: 2 });
  const [g] = gradients(y, [x], { seed: ones(y.shape, { dtype: "float64" }) });
  expect([...(await g!.data())]).toEqual([1, 0, 0, 0, 0, 1, 0, 0]);
});

test("power has slope 0 in the base where the exponent is 0, and slope 0 in the exponent where the base is 0", async () => {
  expect(await slopes(power, [0, 2, 0], [0, 0, 2])).toEqual([
    [0, 0, 0],
    [0, Math.log(2), 0],
  ]);
  expect(await slopes((x) => power(x, 1), [0])).toEqual([[1]]);
});

test("where gives slope 0 to the branch that is not taken, even if it is NaN", async () => {
  const [a, b] = await slopes((a, b) => where(tensor(Float64Array.of(1, 0)), a!, b!), [1, Number.NaN], [Number.NaN, 1]);
  expect([a, b]).toEqual([
    [1, 0],
    [0, 1],
  ]);
});
