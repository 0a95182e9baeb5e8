/** Products along the channels against einsum, the fused form against the composed form, and the equations that are refused. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { contractChannels, contractChannelsComposed, type Stage } from "../../src/ops/contract-channels.ts";
import { contractWindow } from "../../src/ops/contract-window.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { zeros } from "../../src/ops/creation.ts";
import { einsum } from "../../src/ops/einsum.ts";
import { reshape } from "../../src/ops/reshape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type DrawnStages, drawnStages } from "../arbitraries/stages.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

const small = drawnStages({ batch: 3, channels: 12, columns: 5 });

function operandsOf({ batch, channels, columns, stages }: DrawnStages, seed: number): { x: Tensor; list: Stage[]; weights: Tensor[] } {
  const weights = stages.map(({ weight }, s) => sampleTensor(weight, seed + s + 1));
  const list = stages.map(({ equation, sizes }, s): Stage => [equation, weights[s]!, sizes]);
  return { x: sampleTensor([batch, channels, columns], seed), list, weights };
}

/** One stage by einsum: the channels have one axis for each letter. */
function byEinsum(x: Tensor, { equation, weight, sizes }: DrawnStages["stages"][number], w: Tensor): Tensor {
  const [, of, from, to] = /^(.*),(.*)->(.*)$/.exec(equation)!;
  const size = (letter: string): number => (of!.includes(letter) ? weight[of!.indexOf(letter)]! : sizes[letter]!);
  const [batch, , columns] = x.shape as [number, number, number];
  const y = einsum(`${of},N${from}P->N${to}P`, w, reshape(x, [batch, ...[...from!].map(size), columns]));
  return reshape(y, [batch, sizeOf([...to!].map(size)), columns]);
}

test("each stage is the einsum of its equation, fused and composed", () =>
  fc.assert(
    fc.asyncProperty(small, seeds, async (drawn, seed) => {
      const { x, list, weights } = operandsOf(drawn, seed);
      const expected = drawn.stages.reduce((z, stage, s) => byEinsum(z, stage, weights[s]!), x);
      for (const y of [contractChannels(x, list), contractChannelsComposed(x, list)]) {
        expect(y.shape).toEqual(expected.shape);
        expectValues(await y.data(), await expected.data(), 1e-12);
      }
    }),
    { numRuns: 200 },
  ));

test("the fused gradient is the gradient of the einsums", () =>
  fc.assert(
    fc.asyncProperty(small, seeds, async (drawn, seed) => {
      const { x, list, weights } = operandsOf(drawn, seed);
      const expected = drawn.stages.reduce((z, stage, s) => byEinsum(z, stage, weights[s]!), x);
      const g = sampleTensor(expected.shape, seed + 9);
      const [of, to] = [contractChannels(x, list), expected].map((y) => gradients(y, [x, ...weights], { seed: g }));
      for (const [i, gradient] of of!.entries()) expectValues(await gradient.data(), await to![i]!.data(), 1e-11);
    }),
    { numRuns: 100 },
  ));

test("a window before the stages is a depthwise convolution before them, and its gradients are the same", () =>
  fc.assert(
    fc.asyncProperty(small, fc.integer({ min: 1, max: 2 }), seeds, async (drawn, stride, seed) => {
      const { list, weights } = operandsOf(drawn, seed);
      const [x, w] = [sampleTensor([drawn.batch, drawn.channels, 4, 5], seed + 5), sampleTensor([drawn.channels, 1, 3, 3], seed + 6)];
      const options = { stride, padding: 1 };
      const z = conv2d(x, w, { ...options, groups: drawn.channels });
      const [batch, channels, height, width] = z.shape as [number, number, number, number];
      const composed = contractChannelsComposed(reshape(z, [batch, channels, height * width]), list);
      const expected = reshape(composed, [batch, composed.shape[1]!, height, width]);
      const y = contractWindow(x, w, list, options);
      expect(y.shape).toEqual(expected.shape);
      expectValues(await y.data(), await expected.data(), 1e-11);
      const seedOf = sampleTensor(y.shape, seed + 7);
      const [of, to] = [y, expected].map((result) => gradients(result, [x, w, ...weights], { seed: seedOf }));
      for (const [i, gradient] of of!.entries()) expectValues(await gradient.data(), await to![i]!.data(), 1e-10);
    }),
    { numRuns: 60 },
  ));

test("two factors without an axis in the weight need the size of one of them", () => {
  const [x, w] = [zeros([1, 12, 2]), zeros([5, 3])];
  expect(contractChannels(x, [["oi,sit->sot", w, { t: 2 }]]).shape).toEqual([1, 20, 2]);
  expect(() => contractChannels(x, [["oi,sit->sot", w]])).toThrow(ShapeError);
});

test.each([
  ["no product", "oi->o"],
  ["a letter twice in a term", "oii,i->o"],
  ["a letter of the weight alone", "oiz,i->o"],
  ["a sum over the input alone", "oi,is->o"],
  ["an output from nowhere", "oi,i->oz"],
])("refuses %s", (_, equation) => {
  const w = zeros(equation.startsWith("oi,") || equation.startsWith("oi-") ? [2, 3] : [2, 3, 1]);
  expect(() => contractChannels(zeros([1, 6, 1]), [[equation, w]])).toThrow(ShapeError);
});

test("refuses channels that do not fit, a weight of another rank, and x without columns", () => {
  expect(() => contractChannels(zeros([1, 4, 2]), [["oi,i->o", zeros([2, 3])]])).toThrow(ShapeError);
  expect(() => contractChannels(zeros([1, 4, 2]), [["goi,gi->go", zeros([2, 3])]])).toThrow(ShapeError);
  expect(() => contractChannels(zeros([1, 4]), [["oi,i->o", zeros([2, 4])]])).toThrow(ShapeError);
});

test("gives an empty result for an empty batch", () => {
  expect(contractChannels(zeros([0, 4, 2]), [["oi,i->o", zeros([3, 4])]]).shape).toEqual([0, 3, 2]);
});
