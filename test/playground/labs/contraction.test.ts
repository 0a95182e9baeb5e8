/** The contraction lab: its costs are counts, its orders are all orders, and its errors are those of einsum. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../../src/core/errors.ts";
import { einsumPlan } from "../../../src/ops/einsum.ts";
import { edgesOf, placeOf, placesOf } from "../../../src/playground/labs/contraction/diagram.ts";
import {
  allOrders,
  firstTerms,
  leftToRight,
  type Network,
  ordersOf,
  type Step,
  stepsOf,
  termsAfter,
  totalCost,
} from "../../../src/playground/labs/contraction/orders.ts";
import { planOf } from "../../../src/playground/labs/contraction/plan-of.ts";
import { presets } from "../../../src/playground/labs/contraction/presets.ts";
import { spread } from "../../../src/playground/labs/contraction/spread.ts";

/** An equation of one to `most` operands over five labels, with small sizes. */
const equations = (most: number) =>
  fc
    .record({
      terms: fc.array(fc.stringMatching(/^[a-e]{1,3}$/), { minLength: 1, maxLength: most }),
      kept: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()),
      sizes: fc.tuple(...Array.from({ length: 5 }, () => fc.integer({ min: 1, max: 4 }))),
    })
    .map(({ terms, kept, sizes }) => {
      const used = [..."abcde"].filter((label) => terms.join("").includes(label));
      const output = used.filter((label) => kept["abcde".indexOf(label)]).join("");
      return { equation: `${terms.join(",")}->${output}`, sizes: new Map(used.map((label) => [label, sizes["abcde".indexOf(label)]!])) };
    });

/** Counts the products of a step one by one: one for each choice of an index of every label of its two terms. */
function countProducts({ left, right }: Step, sizes: ReadonlyMap<string, number>): number {
  const labels = [...new Set([...left.labels, ...right.labels])];
  let count = 0;
  const visit = (depth: number): void => {
    if (depth === labels.length) count++;
    else for (let index = 0; index < sizes.get(labels[depth]!)!; index++) visit(depth + 1);
  };
  visit(0);
  return count;
}

/** Computes the network step by step on real numbers, and counts the multiplications. */
function run(network: Network, steps: readonly Step[]): number {
  let multiplications = 0;
  const sizesOf = (labels: readonly string[]): number[] => labels.map((label) => network.sizes.get(label)!);
  for (const step of steps) {
    multiplications += countProducts(step, network.sizes);
    // No label that the output or an operand outside the step needs is gone, and no other one is left.
    const outside = network.inputs.flatMap((labels, i) => (step.result.members.includes(i) ? [] : labels));
    const involved = [...step.left.labels, ...step.right.labels];
    expect(new Set(step.result.labels)).toEqual(new Set(involved.filter((label) => [...network.output, ...outside].includes(label))));
    expect(sizesOf(step.result.labels)).not.toContain(undefined);
  }
  return multiplications;
}

/** A tree as nested text: the same for the same tree, in whatever order its steps come. */
function treeOf(steps: readonly Step[], operands: number): string {
  let list = Array.from({ length: operands }, (_, i) => String(i));
  for (const { a, b } of steps) {
    const pair = [list[a]!, list[b]!].sort();
    list = [...list.filter((_, i) => i !== a && i !== b), `(${pair.join(" ")})`];
  }
  return list.join();
}

describe("orders", () => {
  test("the cost of every order is the number of the products that it computes", () =>
    fc.assert(
      fc.property(equations(4), ({ equation, sizes }) => {
        const plan = planOf(equation, sizes);
        for (const steps of allOrders(plan)) expect(totalCost(steps)).toBe(run(plan, steps));
      }),
      { numRuns: 60 },
    ));

  test("the steps of the library's plan cost here what they cost there", () =>
    fc.assert(
      fc.property(equations(10), ({ equation, sizes }) => {
        const plan = planOf(equation, sizes);
        expect(stepsOf(plan, plan.steps).map(({ multiplyAdds }) => multiplyAdds)).toEqual(
          plan.steps.map(({ multiplyAdds }) => multiplyAdds),
        );
      }),
      { numRuns: 200 },
    ));

  test("all orders are (2n−3)!! different trees, and the library's is none worse", () =>
    fc.assert(
      fc.property(equations(5), ({ equation, sizes }) => {
        const plan = planOf(equation, sizes);
        const n = plan.inputs.length;
        const trees = allOrders(plan).map((steps) => treeOf(steps, n));
        expect(new Set(trees).size).toBe(trees.length);
        expect(trees.length).toBe([1, 1, 1, 3, 15, 105][n]);
        const { orders, tried } = ordersOf(plan);
        const [library, sequential, best, worst] = orders.map(({ multiplyAdds }) => multiplyAdds);
        expect(library).toBe(best);
        expect(sequential! >= best! && sequential! <= worst!).toBe(true);
        expect(tried).toBe(trees.length);
        expect(trees).toContain(treeOf(orders[1]!.steps, n));
      }),
      { numRuns: 60 },
    ));

  test("left to right joins one operand after the other, and all steps leave one term with the axes of the output", () =>
    fc.assert(
      fc.property(equations(10), ({ equation, sizes }) => {
        const plan = planOf(equation, sizes);
        leftToRight(plan).forEach(({ result }, i) => {
          expect(result.members).toEqual(Array.from({ length: i + 2 }, (_, k) => k));
        });
        for (const { steps } of ordersOf(plan).orders) {
          const [last, ...more] = termsAfter(plan, steps);
          expect(more).toEqual([]);
          expect(new Set(last!.labels)).toEqual(new Set(plan.output));
        }
      }),
      { numRuns: 100 },
    ));

  test("more than five operands have no best and worst", () => {
    const { orders, tried } = ordersOf(planOf("ab,bc,cd,de,ef,fg->ag", new Map([..."abcdefg"].map((label) => [label, 2]))));
    expect(orders.map(({ name }) => name)).toEqual(["library", "left-to-right"]);
    expect(tried).toBeUndefined();
  });
});

test.each(presets)("$title: the best order is cheaper than the worst one", ({ equation, sizes }) => {
  const given = new Map(Object.entries(sizes));
  const { orders } = ordersOf(planOf(equation, given));
  expect(orders).toHaveLength(4);
  expect(orders[2]!.multiplyAdds).toBeLessThan(orders[3]!.multiplyAdds);
});

describe("a wrong equation", () => {
  test.each(["ab,b1->a", "ab->ab->a", "ab->aa", "ab->c", "...a...->a", "ab,->a,b", "a->?"])("%s has the error of einsum", (equation) => {
    const sizes = new Map([..."abc"].map((label) => [label, 2]));
    expect(() => planOf(equation, sizes)).toThrow(ShapeError);
    expect(() => planOf(equation, sizes)).toThrow(/^einsum: /);
  });

  test("any text is a plan or a ShapeError", () =>
    fc.assert(
      fc.property(fc.stringMatching(/^[ab,.>\- 1]{0,14}$/), (equation) => {
        const sizes = new Map([..."ab"].map((label) => [label, 3]));
        try {
          const { terms } = planOf(equation, sizes);
          const shapes = terms.map((labels) => labels.map((label) => sizes.get(label)!));
          expect(einsumPlan(equation, shapes).terms).toEqual(terms);
        } catch (error) {
          expect(error).toBeInstanceOf(ShapeError);
        }
      }),
      { numRuns: 500 },
    ));

  test("more than 12 operands are refused", () => expect(() => planOf("a,".repeat(13), new Map([["a", 2]]))).toThrow("room for 12"));
});

describe("the diagram", () => {
  test("an edge has an end at each term with its label and one for the output, and joins are those with more than two", () =>
    fc.assert(
      fc.property(equations(6), ({ equation, sizes }) => {
        const plan = planOf(equation, sizes);
        const terms = firstTerms(plan);
        const edges = edgesOf(plan, terms);
        for (const { label, terms: holders, open, joint, size } of edges) {
          expect(holders).toEqual(terms.flatMap((term, i) => (term.labels.includes(label) ? [i] : [])));
          expect(open).toBe(equation.split("->")[1]!.includes(label));
          expect(holders.length + Number(open)).toBeGreaterThan(1);
          expect(joint).toBe(holders.length + Number(open) > 2);
          expect(size).toBe(sizes.get(label));
        }
        const places = placesOf(terms, edges);
        expect([...places.ends.keys()]).toEqual(edges.filter(({ open }) => open).map(({ label }) => label));
        const points = [...places.operands, ...places.joints.values(), ...places.ends.values()];
        for (const { x, y } of points) expect(Number.isFinite(x) && Number.isFinite(y)).toBe(true);
        points.forEach((p, i) => {
          for (const q of points.slice(0, i)) expect(Math.hypot(p.x - q.x, p.y - q.y)).toBeGreaterThan(0.1);
        });
        terms.forEach((term, i) => {
          const { x, y } = places.operands[i]!;
          // The mean of one number begins at 0, so −0 becomes 0.
          expect(placeOf(term, places)).toEqual({ x: x + 0, y: y + 0 });
        });
      }),
      { numRuns: 40 },
    ));

  test("the ends of a star lie apart", () => {
    const points = spread(
      8,
      [1, 2, 3, 4, 5, 6, 7].map((end) => [0, end, 1] as const),
    );
    points.forEach((p, i) => {
      for (const q of points.slice(0, i)) expect(Math.hypot(p.x - q.x, p.y - q.y)).toBeGreaterThan(0.4);
    });
  });

  test("a chain is drawn as a line from left to right, with the wanted distances", () => {
    const points = spread(
      5,
      [0, 1, 2, 3].map((i) => [i, i + 1, 1] as const),
    );
    points.forEach(({ x, y }, i) => {
      expect(x).toBeCloseTo(i - 2, 6);
      expect(y).toBeCloseTo(0, 6);
    });
  });
});
