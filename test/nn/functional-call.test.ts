/** `functionalCall` computes with other values, and leaves the module as it was. Through it, layers have Jacobians and Hessians. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { hessian, hvp } from "../../src/grad/hessian.ts";
import { vjp } from "../../src/grad/vjp.ts";
import { functionalCall } from "../../src/nn/functional-call.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { tensor } from "../../src/ops/creation.ts";
import { cast, multiply, subtract } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import type { ConvolutionSpec } from "../../src/structured/spec.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { at, build, expectTensor, expectValues, type NdArray, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const random = (): { random: Random } => ({ random: new Random(1) });

test("the module computes with the given values, and then with its own again", async () => {
  const layer = new Linear(3, 2, random());
  const [x, weight, bias] = [sampleTensor([4, 3], 1), sampleTensor([2, 3], 2), sampleTensor([2], 3)];
  const [w, b, input] = [await toArray(weight), await toArray(bias), await toArray(x)];
  const before = [...layer.parameters().values()].map(({ value }) => value);
  await expectTensor(
    functionalCall(layer, { weight, bias }, x),
    build([4, 2], ([n, o]) => [0, 1, 2].reduce((total, i) => total + at(input, [n!, i]) * at(w, [o!, i]), at(b, [o!]))),
  );
  expect([...layer.parameters().values()].map(({ value }) => value)).toEqual(before);
  expect([...layer.parameters().values()].every(({ value }, i) => value === before[i])).toBe(true);
});

test("after an error the module has its own values", () => {
  const layer = new Linear(3, 2, random());
  const own = layer.weight.value;
  const weight = sampleTensor([2, 3], 2);
  expect(() => functionalCall(layer, { weight }, sampleTensor([4, 7], 1))).toThrow(ShapeError);
  expect(layer.weight.value).toBe(own);
  expect(() => functionalCall(layer, { weight, bias: sampleTensor([5], 1) }, sampleTensor([4, 3], 1))).toThrow(
    'functionalCall: the value of "bias" must have the shape [2], got [5]',
  );
  expect(layer.weight.value).toBe(own);
});

test("a name that no parameter has, and a forward that waits, are errors", () => {
  const layer = new Linear(3, 2, random());
  const weight = sampleTensor([2, 3], 2);
  expect(() => functionalCall(layer, { wieght: weight }, sampleTensor([4, 3], 1))).toThrow(ConfigError);
  expect(() => functionalCall(layer, { wieght: weight }, sampleTensor([4, 3], 1))).toThrow(
    'functionalCall: names must be those of module.parameters(), such as weight, got "wieght"; did you mean weight?',
  );
  expect(() => functionalCall(layer, { weight: 1 as never }, sampleTensor([4, 3], 1))).toThrow(
    "functionalCall: operands must be tensors, got 1",
  );
  class Waiting extends Module {
    readonly weight = new Parameter(tensor([1]));
    async forward(): Promise<Tensor> {
      return this.weight.value;
    }
  }
  expect(() => functionalCall(new Waiting(), {})).toThrow("functionalCall: the body must be synchronous, got a Promise");
});

/** Small maps of several families. Each of their parameters is a factor that occurs once in W. */
const specs: readonly ConvolutionSpec[] = [
  { kind: "TensorTrain", scale: 0.5 },
  { kind: "Tucker", scale: 0.5 },
  { kind: "CP", scale: 0.5 },
  { kind: "Monarch", blocks: 2 },
  { kind: "Kronecker", terms: 2 },
];

/** ½‖layer(x) − target‖², as a function of one parameter of the layer, with all parameters in float64. */
function squaredError(
  spec: ConvolutionSpec,
  seed: number,
): { losses: Map<string, (value: Tensor) => Tensor>; values: Map<string, Tensor> } {
  const layer = createLinear(spec, 8, 8, { random: new Random(seed) });
  const values = new Map([...layer.parameters()].map(([name, { value }]) => [name, cast(value, "float64")]));
  const [x, target] = [sampleTensor([3, 8], seed + 1), sampleTensor([3, 8], seed + 2)];
  const lossOf = (name: string) => (value: Tensor) => {
    const error = subtract(functionalCall(layer, { ...Object.fromEntries(values), [name]: value }, x), target);
    return sum(multiply(multiply(error, error), 0.5));
  };
  return { losses: new Map([...values.keys()].map((name) => [name, lossOf(name)])), values };
}

test.each(specs)("the Hessian of a loss by one factor of $kind is the second difference of the loss", (spec) =>
  fc.assert(
    fc.asyncProperty(fc.nat({ max: 1000 }), async (seed) => {
      const { losses, values } = squaredError(spec, seed);
      for (const [name, loss] of losses) {
        const value = values.get(name)!;
        const v = sampleTensor(value.shape, seed + 3, -1, 1);
        const [, product] = hvp(loss, value, v);
        const [hv, direction, own] = (await Promise.all([product, v, value].map(toArray))) as [NdArray, NdArray, NdArray];
        const curvature = direction.values.reduce((total, each, i) => total + each * hv.values[i]!, 0);
        // The loss is a polynomial of degree 2 in a factor that occurs once, so the second difference is exact but for rounding.
        const along = (step: number): Promise<number> =>
          loss(
            tensor(
              Float64Array.from(own.values, (each, i) => each + step * direction.values[i]!),
              { shape: own.shape },
            ),
          ).item();
        const [after, middle, before] = [await along(1), await along(0), await along(-1)];
        expect(Math.abs(curvature - (after - 2 * middle + before))).toBeLessThanOrEqual(1e-12 * (after + 2 * middle + before));
      }
    }),
    { numRuns: 5 },
  ),
);

test("the Hessian by a Tensor-Train core is JᵀJ, because the layer is linear in each core", async () => {
  const layer = new TensorTrainLinear(4, 4, { ranks: [2, 2], dims: [4, 2, 2] }, random());
  const values = Object.fromEntries([...layer.parameters()].map(([name, { value }]) => [name, cast(value, "float64")]));
  const x = sampleTensor([3, 4], 1);
  const name = "weight_core_1";
  const outputs = (core: Tensor): Tensor => functionalCall(layer, { ...values, [name]: core }, x);
  const core = values[name]!;
  const h = await toArray(
    hessian((at) => {
      const y = outputs(at);
      return sum(multiply(multiply(y, y), 0.5));
    }, core),
  );
  // The columns of J are the outputs at the unit vectors of the core.
  const columns: ArrayLike<number>[] = [];
  for (let e = 0; e < core.size; e++)
    columns.push(
      await outputs(
        tensor(
          Float64Array.from({ length: core.size }, (_, i) => Number(i === e)),
          { shape: core.shape },
        ),
      ).data(),
    );
  const n = core.size;
  const expected = build([n, n], ([i, j]) => Array.from(columns[i!]!).reduce((total, value, k) => total + value * columns[j!]![k]!, 0));
  expect(h.shape).toEqual([...core.shape, ...core.shape]);
  expectValues(h.values, expected.values, 1e-12);
  expect(Math.max(...expected.values)).toBeGreaterThan(0.1);
});

test("the derivative by a value is that by the parameter", async () => {
  const layer = new Linear(3, 2, random());
  const x = tensor([[1, -2, 0.5]]);
  const loss = (y: Tensor): Tensor => sum(multiply(y, y));
  const [expected] = gradients(loss(layer.forward(x)), [layer.weight.value]);
  const [, found] = vjp((weight) => loss(functionalCall(layer, { weight }, x)), layer.weight.value, tensor(1));
  await expectTensor(found, await toArray(expected!), 0);
});
