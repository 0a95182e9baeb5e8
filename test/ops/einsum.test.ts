/** einsum against its definition, a sum over all indices of all labels, and the cost of the order that it takes. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { einsum, einsumMultiplyAdds } from "../../src/ops/einsum.ts";
import { seeds } from "../arbitraries/values.ts";
import { type EinsumCase, equationsOf, operandsOf } from "../grad/einsum-equations.ts";
import { at, expectTensor, indicesOf, type NdArray, toTensor } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";

onReferenceBackend();

/** The labels of a term. An ellipsis that covers n axes stands for the labels `#n−1 … #0`. */
const labelsOf = (term: string, covered: number): string[] =>
  term.split("...").flatMap((part, i) => [...(i > 0 ? Array.from({ length: covered }, (_, k) => `#${covered - 1 - k}`) : []), ...part]);

/** The definition: for every index of every label, the product of all operands is added to the output. */
function bruteForce(equation: string, operands: readonly NdArray[]): NdArray {
  const [left, right] = equation.split("->") as [string, string?];
  const terms = left.split(",");
  const covered = terms.map((term, i) => (term.includes("...") ? operands[i]!.shape.length - term.replace("...", "").length : 0));
  const inputs = terms.map((term, i) => labelsOf(term, covered[i]!));
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const [known, size] = [sizes.get(label) ?? 1, operands[i]!.shape[axis]!];
      sizes.set(label, known === 1 ? size : known);
    });
  });
  const all = inputs.flat();
  const once = [...sizes.keys()].filter((label) => !label.startsWith("#") && all.filter((l) => l === label).length === 1).sort();
  const most = Math.max(0, ...covered);
  const output = right === undefined ? [...labelsOf("...", most), ...once] : labelsOf(right, most);
  const labels = [...output, ...[...sizes.keys()].filter((label) => !output.includes(label))];
  const shape = output.map((label) => sizes.get(label)!);
  const totals = new Map<string, number>();
  for (const index of indicesOf(labels.map((label) => sizes.get(label)!))) {
    const product = operands.reduce(
      (value, operand, i) =>
        value *
        at(
          operand,
          inputs[i]!.map((label, axis) => (operand.shape[axis] === 1 ? 0 : index[labels.indexOf(label)]!)),
        ),
      1,
    );
    const key = index.slice(0, output.length).join();
    totals.set(key, (totals.get(key) ?? 0) + product);
  }
  return { shape, values: [...indicesOf(shape)].map((index) => totals.get(index.join()) ?? 0) };
}

const run = async ({ equation, shapes }: EinsumCase, seed: number): Promise<void> => {
  const operands = operandsOf({ equation, shapes }, seed);
  await expectTensor(einsum(equation, ...operands.map((operand) => toTensor(operand))), bruteForce(equation, operands), 1e-11);
};

test("is the sum over all labels of the product of all operands", () =>
  fc.assert(fc.asyncProperty(equationsOf({ maxOperands: 4, maxSize: 3 }), seeds, run), { numRuns: 400 }));

test.each([
  ["ii->", [[3, 3]]],
  ["ii->i", [[3, 3]]],
  ["iji->j", [[2, 3, 2]]],
  ["iii", [[2, 2, 2]]],
  [
    "ij,jk,kl,li->",
    [
      [2, 3],
      [3, 2],
      [2, 4],
      [4, 2],
    ],
  ],
  [
    "...ij,...jk->...ik",
    [
      [2, 1, 2, 3],
      [4, 3, 2],
    ],
  ],
  [
    "...i,i...->...",
    [
      [2, 3],
      [3, 2],
    ],
  ],
  [
    "i...,i...",
    [
      [2, 3],
      [2, 1],
    ],
  ],
  ["ba", [[2, 3]]],
  [
    "Ba,aB",
    [
      [2, 3],
      [3, 2],
    ],
  ],
  [",i->i", [[], [3]]],
  ["->", [[]]],
  ["i,i->i", [[1], [3]]],
  ["ij,j->i", [[2, 1], [3]]],
  ["i,j->", [[0], [3]]],
  [
    "bi,bj->bij",
    [
      [0, 2],
      [0, 3],
    ],
  ],
  [
    "ij,jk->ik",
    [
      [2, 0],
      [0, 3],
    ],
  ],
  ["...->...", [[2, 3]]],
])("%s of %j", (equation, shapes) => run({ equation, shapes }, 7));

test("spaces in the equation have no effect", async () => {
  const x = sample([2, 3], 1);
  await expectTensor(einsum(" i j -> j i ", toTensor(x)), bruteForce("ij->ji", [x]));
});

test("more operands than the optimal order is computed for", () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 9, max: 11 }), seeds, async (count, seed) => {
      const random = new Random(seed);
      const names = [..."abcdef"];
      const terms = Array.from({ length: count }, () =>
        Array.from({ length: 1 + random.integer(2) }, () => names[random.integer(names.length)]!).join(""),
      );
      const output = names.filter((name) => terms.join("").includes(name) && random.integer(3) === 0).join("");
      const equation = `${terms.join(",")}->${output}`;
      const operands = terms.map((term, i) =>
        sample(
          [...term].map(() => 2),
          seed + i,
          0.5,
          1.5,
        ),
      );
      await expectTensor(einsum(equation, ...operands.map((operand) => toTensor(operand))), bruteForce(equation, operands), 1e-11);
    }),
    { numRuns: 30 },
  ));

describe("refuses", () => {
  const matrix = () => zeros([2, 3]);
  test.each([
    ["ij->ij->ij", "at most one"],
    ["ij,jk", "one operand per term"],
    ["i", "must name each axis"],
    ["ijk", "must name each axis"],
    ["...ijk", "must name each axis"],
    ["i......j", "at most one"],
    ["i1", "a term must consist of letters"],
    ["ij->ijk", "output labels"],
    ["ij->ii", "output labels"],
    ["ii", "one size"],
  ])("%s of one matrix [2,3]", (equation, rule) => {
    expect(() => einsum(equation, matrix())).toThrow(ShapeError);
    expect(() => einsum(equation, matrix())).toThrow(rule);
  });

  test("no operands, dtypes that differ, sizes that differ", () => {
    expect(() => einsum("")).toThrow(ShapeError);
    expect(() => einsum("i,i", tensor([1]), tensor([1], { dtype: "float64" }))).toThrow(ShapeError);
    expect(() => einsum("i,i", tensor([1, 2]), tensor([1, 2, 3]))).toThrow('label "i" must have one size');
  });
});

test("the multiply-adds are the sum over contractions of the product of all sizes involved", () => {
  const of = (equation: string, ...shapes: number[][]): number => einsumMultiplyAdds(equation, ...shapes.map((shape) => zeros(shape)));
  expect(of("ij,jk->ik", [2, 3], [3, 5])).toBe(30);
  expect(of("ij->ji", [2, 3])).toBe(0);
  // The order from the left costs 10·100·5 = 5000 and then 10·5·50 = 2500. The other order would cost 25000 + 50000.
  expect(of("ij,jk,kl->il", [10, 100], [100, 5], [5, 50])).toBe(7500);
  expect(of("bij,bjk->bik", [4, 2, 3], [4, 3, 5])).toBe(120);
  // l is summed before the product, so it does not count.
  expect(of("ijl,jk->ik", [2, 3, 7], [3, 5])).toBe(30);
  // An axis of size 1 that broadcasts is dropped. So j is left in one operand only, and is summed before the product.
  expect(of("ij,jk->ik", [2, 1], [3, 5])).toBe(10);
  // The diagonal is taken before the product.
  expect(of("iij,jk->ik", [2, 2, 3], [3, 5])).toBe(30);
});

test("axes that ... covers must stay in the output, as in NumPy", async () => {
  const [a, b] = [zeros([2, 3, 4]), zeros([2, 4, 5])];
  const rule = 'einsum: the output must have "..." for the axes that "..." covers on the left, here 1, got "...ij,...jk->ik"';
  expect(() => einsum("...ij,...jk->ik", a, b)).toThrow(new ShapeError(rule));
  expect(() => einsumMultiplyAdds("...ij,...jk->ik", a, b)).toThrow(ShapeError);
  expect(() => einsum("...->", a)).toThrow('the output must have "..." for the axes that "..." covers on the left, here 3');
  // The equation is fine where "..." covers no axis, and where the output names an ellipsis.
  expect(einsum("...ij,...jk->ik", zeros([3, 4]), zeros([4, 5])).shape).toEqual([3, 5]);
  expect(einsum("...ij,...jk->...ik", a, b).shape).toEqual([2, 3, 5]);
  expect(einsum("...ij,...jk", a, b).shape).toEqual([2, 3, 5]);
});
