/** Contraction orders: the cost of each step, the optimum for few operands, and for any number no more than the cost from left to right. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { type Contraction, contractionOrder } from "../../src/ops/contraction-order.ts";

interface Network {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

const names = [..."abcdefg"];

const networks = (minOperands: number, maxOperands: number): fc.Arbitrary<Network> =>
  fc
    .record({
      inputs: fc.array(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }), {
        minLength: minOperands,
        maxLength: maxOperands,
      }),
      kept: fc.subarray(names, { maxLength: 3 }),
      sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: names.length, maxLength: names.length }),
    })
    .map(({ inputs, kept, sizes }) => ({
      inputs,
      output: kept.filter((name) => inputs.flat().includes(name)),
      sizes: new Map(names.map((name, i) => [name, sizes[i]!])),
    }));

/** One contraction in a list of terms: the terms that are left, and the product of the sizes of all labels involved. */
function contract(
  { output, sizes }: Network,
  terms: readonly (readonly string[])[],
  a: number,
  b: number,
): { terms: string[][]; cost: number } {
  const rest = terms.filter((_, i) => i !== a && i !== b).map((term) => [...term]);
  const [left, right] = [terms[a]!, terms[b]!];
  const needed = new Set([...output, ...rest.flat()]);
  const involved = [...new Set([...left, ...right])].filter(
    (label) => needed.has(label) || (left.includes(label) && right.includes(label)),
  );
  const cost = involved.reduce((product, label) => product * sizes.get(label)!, 1);
  return { terms: [...rest, involved.filter((label) => needed.has(label))], cost };
}

/** The least cost of all orders, by trying every order. */
function cheapest(network: Network, terms: readonly (readonly string[])[] = network.inputs): number {
  if (terms.length < 2) return 0;
  let best = Infinity;
  for (let a = 0; a < terms.length; a++)
    for (let b = a + 1; b < terms.length; b++) {
      const step = contract(network, terms, a, b);
      best = Math.min(best, step.cost + cheapest(network, step.terms));
    }
  return best;
}

/** The cost of the order of the equation. */
function leftToRight(network: Network): number {
  let [terms, total] = [network.inputs, 0];
  while (terms.length > 1) {
    // The result of the step before is at the end of the list.
    const first = terms.length === network.inputs.length ? [0, 1] : [terms.length - 1, 0];
    const step = contract(network, terms, first[0]!, first[1]!);
    [terms, total] = [step.terms, total + step.cost];
  }
  return total;
}

const order = ({ inputs, output, sizes }: Network): Contraction[] => contractionOrder(inputs, output, sizes);
const cost = (steps: readonly Contraction[]): number => steps.reduce((sum, step) => sum + step.multiplyAdds, 0);

test("each step names two terms of the list and the cost of their contraction", () =>
  fc.assert(
    fc.property(networks(1, 11), (network) => {
      let terms: readonly (readonly string[])[] = network.inputs;
      for (const { a, b, multiplyAdds } of order(network)) {
        expect(a).not.toBe(b);
        for (const place of [a, b]) expect(terms[place]).toBeDefined();
        const step = contract(network, terms, a, b);
        expect(multiplyAdds).toBe(step.cost);
        terms = step.terms;
      }
      expect(terms.length).toBe(1);
    }),
  ));

test("a small network is contracted at the least cost of all orders", () =>
  fc.assert(
    fc.property(networks(1, 5), (network) => {
      expect(cost(order(network))).toBe(cheapest(network));
    }),
    { numRuns: 200 },
  ));

test("no network costs more than from left to right", () =>
  fc.assert(
    fc.property(networks(1, 12), (network) => {
      expect(cost(order(network))).toBeLessThanOrEqual(leftToRight(network));
    }),
    { numRuns: 1000 },
  ));
