/** Weights as matrices: what a view counts, and that the views of layers and of structured factors are the maps that these apply. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { ConvTranspose2d } from "../../src/nn/conv-transpose2d.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { matricesOf } from "../../src/nn/matrix-view.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import { TensorTrainLinear } from "../../src/structured/tensor-train.ts";
import { TuckerLinear } from "../../src/structured/tucker.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = { random: new Random(0), dtype: "float64" } as const;
const fast = { init: "variance-preserving" } as const;
const sizesOf = (parameter: Parameters<typeof matricesOf>[0]): number[] | undefined => {
  const found = matricesOf(parameter);
  return found && [found.batch, found.rows, found.columns];
};

const size = fc.integer({ min: 1, max: 4 });

test("without a view, the first axis has the rows, and a weight of one long axis is a vector", () =>
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 4 }), (shape) => {
      const long = shape.filter((each) => each > 1).length;
      expect(sizesOf({ shape })).toEqual(long < 2 ? undefined : [1, shape[0], sizeOf(shape) / shape[0]!]);
    }),
  ));

test.each([
  [[2, 2], "rcc"],
  [[2, 2], "rx"],
  [[2, 3], "rc"],
  [[4], "r "],
])("a view of %j with the axes %j does not fit a weight of four numbers", (shape, axes) =>
  expect(() => matricesOf({ shape: [2, 2], matrices: { shape, axes } })).toThrow(ShapeError),
);

test("a grouped convolution is a matrix for each group, and a transposed one has its inputs in the columns", () =>
  fc.assert(
    fc.property(size, size, size, fc.integer({ min: 1, max: 3 }), (groups, inputs, outputs, kernel) => {
      const make = [groups * inputs, groups * outputs, kernel, build] as const;
      const sizesIn = ({ weight }: Conv2d | ConvTranspose2d): number[] | undefined => sizesOf(weight);
      const isVector = [groups * outputs, inputs, kernel, kernel].filter((each) => each > 1).length < 2;
      const direct = [groups, outputs, inputs * kernel ** 2];
      expect(sizesIn(new Conv2d(...make, { groups }))).toEqual(isVector ? undefined : direct);
      const isTransposedVector = [groups * inputs, outputs, kernel, kernel].filter((each) => each > 1).length < 2;
      const transposed = [groups, outputs * kernel ** 2, inputs];
      expect(sizesIn(new ConvTranspose2d(...make, { groups }))).toEqual(isTransposedVector ? undefined : transposed);
    }),
  ));

describe("the factors of structured maps", () => {
  // What a factor sums over and makes is checked by hand in structured-rates.test.ts. CP, trains and Tucker carry modes along, and the
  // tied low rank has one factor for two places.
  test.each([
    "Generic_0.25",
    "Monarch_2",
    "Monarch_4",
    "BlockTensorTrain_1",
    "BlockTensorTrain_3",
    "NormedBlockTensorTrain_1",
    "Kronecker_2",
    "BLAST_0.5_2",
    "BLAST_0.25_4",
    "Butterfly",
    "Shuffle_1",
    "Shuffle_4",
    "MatrixTensorTrain_2",
    "MatrixTensorTrain_3_2",
  ])("%s: a matrix has the numbers that the factor makes as rows, and those that it sums over as columns", (text) => {
    const map = createLinear(parseConvolution(text), 16, 32, build, fast);
    const sizes = map.factorSizes().filter(({ parameter }) => matricesOf(parameter) !== undefined);
    expect(sizes.length).toBeGreaterThan(0);
    for (const { parameter, inputs, outputs } of sizes) {
      const [batch, rows, columns] = sizesOf(parameter)!;
      expect([rows, columns]).toEqual([outputs, inputs]);
      expect(batch).toBe(parameter.value.size / (outputs * inputs));
    }
  });

  test("a core of a train is a map between its bonds, with the digits of outputs in its rows and those of inputs in its columns", () => {
    // The flat index o·8 + i has the digits 4, 8 and 4: o has the first digit and four of the second, i has two of the second and the third.
    const train = new TensorTrainLinear(8, 16, { dims: [4, 8, 4], ranks: [2, 3] }, build, fast);
    expect([0, 1, 2].map((k) => sizesOf(train[`weight_core_${k}`]!))).toEqual([
      [1, 4, 2],
      [1, 2 * 4, 2 * 3],
      [1, 3, 4],
    ]);
    // 21·10 numbers in the digits 5, 6 and 7 have no clean boundary.
    const uncut = new TensorTrainLinear(10, 21, { dims: [5, 6, 7], ranks: [2, 3] }, build, fast);
    expect([0, 1, 2].map((k) => sizesOf(uncut[`weight_core_${k}`]!))).toEqual([
      [1, 5, 2],
      [1, 2, 6 * 3],
      [1, 3, 7],
    ]);
    const tucker = new TuckerLinear(8, 16, { dims: [4, 8, 4], ranks: [2, 3, 2] }, build, fast);
    expect(sizesOf(tucker.weight_core_0)).toEqual([1, 2, 2]);
  });
});
