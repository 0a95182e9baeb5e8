/** Random equations for einsum and shapes that fit them: repeated labels, ellipses that broadcast, implicit outputs, scalars. */

import fc from "fast-check";
import type { Shape } from "../../src/core/shape.ts";
import type { NdArray } from "../support/nd-array.ts";
import { sample } from "../support/sample.ts";

export interface EinsumCase {
  readonly equation: string;
  readonly shapes: readonly Shape[];
}

interface Limits {
  readonly maxOperands?: number;
  readonly maxSize?: number;
}

const alphabet = ["i", "j", "k", "l", "B"];

/** The labels of an operand, which may repeat, the place of its ellipsis, and the number of axes that the ellipsis covers. */
const terms = fc.record({
  labels: fc.array(fc.nat({ max: alphabet.length - 1 }), { maxLength: 3 }),
  ellipsisAt: fc.nat({ max: 3 }),
  covered: fc.nat({ max: 2 }),
  /** Which axes have size 1, so that they broadcast. */
  short: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
});

export function equationsOf({ maxOperands = 3, maxSize = 3 }: Limits): fc.Arbitrary<EinsumCase> {
  return fc
    .record({
      terms: fc.array(terms, { minLength: 1, maxLength: maxOperands }),
      sizes: fc.array(fc.integer({ min: 1, max: maxSize }), { minLength: alphabet.length, maxLength: alphabet.length }),
      ellipsis: fc.boolean(),
      ellipsisSizes: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 2, maxLength: 2 }),
      broadcasts: fc.boolean(),
      implicit: fc.boolean(),
      keep: fc.array(fc.boolean(), { minLength: alphabet.length, maxLength: alphabet.length }),
      order: fc.shuffledSubarray([...alphabet.keys()], { minLength: alphabet.length }),
    })
    .map(({ terms, sizes, ellipsis, ellipsisSizes, broadcasts, implicit, keep, order }) => {
      const sized = terms.map(({ labels, ellipsisAt, covered, short }) => {
        // All axes of a label within one term have the same size, because a diagonal needs one size.
        const axes = labels.map((label) => ({ name: alphabet[label]!, size: broadcasts && short[label]! ? 1 : sizes[label]! }));
        const dots = ellipsisSizes.slice(2 - covered).map((size) => (broadcasts && short[5]! ? 1 : size));
        const place = Math.min(ellipsisAt, axes.length);
        return {
          term: ellipsis
            ? [...axes.slice(0, place).map((axis) => axis.name), "...", ...axes.slice(place).map((axis) => axis.name)].join("")
            : axes.map((axis) => axis.name).join(""),
          shape: [
            ...axes.slice(0, place).map((axis) => axis.size),
            ...(ellipsis ? dots : []),
            ...axes.slice(place).map((axis) => axis.size),
          ],
        };
      });
      const used = new Set(sized.flatMap(({ term }) => [...term]));
      const kept = order.filter((label) => keep[label] && used.has(alphabet[label]!)).map((label) => alphabet[label]!);
      const right = implicit ? "" : `->${ellipsis ? "..." : ""}${kept.join("")}`;
      return { equation: `${sized.map(({ term }) => term).join(",")}${right}`, shapes: sized.map(({ shape }) => shape) };
    });
}

/** Small equations, because a finite-difference check evaluates an op twice for each element. */
export const equations = equationsOf({ maxOperands: 3, maxSize: 2 });

export const operandsOf = ({ shapes }: EinsumCase, seed: number): NdArray[] => shapes.map((shape, i) => sample(shape, seed + i));
