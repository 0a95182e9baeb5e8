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

/** The least cost of all orders, by dynamic programming over the subsets of the operands. It shares no code with the search. */
function optimum({ inputs, output, sizes }: Network): number {
  const full = (1 << inputs.length) - 1;
  const needed = (subset: number): Set<string> => new Set([...output, ...inputs.flatMap((term, i) => ((subset >> i) & 1 ? [] : term))]);
  const labels = Array.from({ length: full + 1 }, (_, subset) => {
    const outside = needed(subset);
    return new Set(inputs.flatMap((term, i) => ((subset >> i) & 1 ? term : [])).filter((label) => outside.has(label)));
  });
  const least = new Float64Array(full + 1).fill(Infinity);
  for (let i = 0; i < inputs.length; i++) least[1 << i] = 0;
  for (let subset = 1; subset <= full; subset++)
    for (let part = (subset - 1) & subset; part > (subset ^ part); part = (part - 1) & subset) {
      let cost = least[part]! + least[subset ^ part]!;
      if (cost >= least[subset]!) continue;
      let step = 1;
      for (const label of new Set([...labels[part]!, ...labels[subset ^ part]!])) step *= sizes.get(label)!;
      cost += step;
      if (cost < least[subset]!) least[subset] = cost;
    }
  return least[full]!;
}

const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const dimensions = (count: number, max: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max }), { minLength: count, maxLength: count });

/** The cost of the cheapest order of the matrices d₀×d₁, d₁×d₂, … as textbooks compute it. */
function chainOptimum(d: readonly number[]): number {
  const n = d.length - 1;
  const least = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  for (let length = 2; length <= n; length++)
    for (let i = 0; i + length <= n; i++) {
      const j = i + length - 1;
      least[i]![j] = Infinity;
      for (let k = i; k < j; k++) least[i]![j] = Math.min(least[i]![j]!, least[i]![k]! + least[k + 1]![j]! + d[i]! * d[k + 1]! * d[j + 1]!);
    }
  return least[0]![n - 1]!;
}

test("a chain of any number of matrices is contracted at the least cost, also when it is written in another order", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 9, max: 40 }).chain((n) => fc.tuple(dimensions(n + 1, 100), fc.boolean(), fc.nat())),
      ([d, shuffled, seed]) => {
        const terms = d.slice(1).map((_, i) => [letters[i]!, letters[i + 1]!]);
        const inputs = shuffled ? terms.map((_, i) => terms[(i * primeStep(terms.length) + seed) % terms.length]!) : terms;
        const network = { inputs, output: [letters[0]!, letters[d.length - 1]!], sizes: new Map(d.map((size, i) => [letters[i]!, size])) };
        expect(cost(order(network))).toBe(chainOptimum(d));
      },
    ),
    { numRuns: 40 },
  ));

/** A step through n places that visits each of them. */
const primeStep = (n: number): number => [7, 11, 13].find((step) => n % step !== 0)!;

/** ⟨φ|ψ⟩ of two matrix product states of n sites: bonds a₁…, b₁… and physical labels. */
function stateProduct(n: number, bonds: readonly number[], others: readonly number[], physical: number, interleaved: boolean): Network {
  const [upper, lower, site] = [letters.slice(0, n - 1), letters.slice(n - 1, 2 * n - 2), letters.slice(2 * n - 2, 3 * n - 2)];
  const row = (labels: readonly string[]): string[][] =>
    site.map((label, i) => [labels[i - 1], label, labels[i]].filter((name): name is string => name !== undefined));
  const [top, bottom] = [row(upper), row(lower)];
  const sizes = new Map<string, number>();
  for (const [i, label] of upper.entries()) sizes.set(label, bonds[i]!);
  for (const [i, label] of lower.entries()) sizes.set(label, others[i]!);
  for (const label of site) sizes.set(label, physical);
  return { inputs: interleaved ? top.flatMap((term, i) => [term, bottom[i]!]) : [...top, ...bottom], output: [], sizes };
}

test("the product of two matrix product states costs at most 25 % more than the optimum", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 6 }).chain((n) => fc.tuple(fc.constant(n), dimensions(n - 1, 16), dimensions(n - 1, 16))),
      fc.integer({ min: 2, max: 4 }),
      fc.boolean(),
      ([n, bonds, others], physical, interleaved) => {
        const network = stateProduct(n, bonds, others, physical, interleaved);
        expect(cost(order(network))).toBeLessThanOrEqual(1.25 * optimum(network));
      },
    ),
    { numRuns: 12 },
  ));

test("a long product of matrix product states costs what a sweep along the chain costs, or less", () => {
  for (const interleaved of [false, true]) {
    const [n, bond, physical] = [17, 8, 2];
    const network = stateProduct(n, new Array(n - 1).fill(bond), new Array(n - 1).fill(bond), physical, interleaved);
    // The ends cost p·D², and each inner site costs p·D³ for each of the two states.
    const sweep = 2 * physical * bond ** 2 + physical * bond ** 2 + (n - 2) * 2 * physical * bond ** 3;
    expect(cost(order(network))).toBeLessThanOrEqual(sweep);
  }
});

test("irregular networks of nine and ten operands cost at most a quarter more than the optimum, and mostly no more", () => {
  let exact = 0;
  let total = 0;
  fc.assert(
    fc.property(networks(9, 10), (network) => {
      const [found, least] = [cost(order(network)), optimum(network)];
      expect(found).toBeLessThanOrEqual(1.25 * least);
      total++;
      if (found === least) exact++;
    }),
    { numRuns: 40, seed: 1 },
  );
  expect(exact / total).toBeGreaterThan(0.8);
});

test("a ring of matrices costs no more than the best order of its arcs", () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 12, max: 24 }).chain((n) => dimensions(n, 60)),
      (d) => {
        const n = d.length;
        const inputs = d.map((_, i) => [letters[i]!, letters[(i + 1) % n]!]);
        const network = { inputs, output: [], sizes: new Map(d.map((size, i) => [letters[i]!, size])) };
        // The last contraction joins two arcs, each of which is a chain, over the two bonds between them.
        const arcs = d.map((size, k) =>
          k === 0 ? Infinity : chainOptimum(d.slice(0, k + 1)) + chainOptimum([...d.slice(k), d[0]!]) + d[0]! * size,
        );
        expect(cost(order(network))).toBeLessThanOrEqual(Math.min(...arcs));
      },
    ),
    { numRuns: 25, seed: 1 },
  ));

/** The cost of the order in which each step joins the two connected terms whose product grows least (Gray & Kourtis 2021, §4.1). */
function greedy(network: Network): number {
  let [terms, total] = [network.inputs, 0];
  const size = (term: readonly string[]): number => term.reduce((product, label) => product * network.sizes.get(label)!, 1);
  while (terms.length > 1) {
    let best: { growth: number; cost: number; terms: string[][] } | undefined;
    for (let a = 0; a < terms.length; a++)
      for (let b = a + 1; b < terms.length; b++) {
        if (!terms[a]!.some((label) => terms[b]!.includes(label))) continue;
        const step = contract(network, terms, a, b);
        const growth = size(step.terms.at(-1)!) - size(terms[a]!) - size(terms[b]!);
        if (best === undefined || growth < best.growth) best = { growth, ...step };
      }
    [terms, total] = [best!.terms, total + best!.cost];
  }
  return total;
}

/** A connected network of n tensors in which each label joins two of them. Label i of the first n joins neighbours of a ring. */
const graphs = fc
  .integer({ min: 14, max: 20 })
  .chain((n) =>
    fc.record({
      n: fc.constant(n),
      chords: fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { minLength: 6, maxLength: 10 }),
      places: fc.shuffledSubarray(
        Array.from({ length: n }, (_, i) => i),
        { minLength: n, maxLength: n },
      ),
    }),
  )
  .map(({ n, chords, places }): Network => {
    const ring = Array.from({ length: n }, (_, i) => [i, (i + 1) % n] as const);
    const bonds = [...ring, ...chords.filter(([a, b]) => a !== b)];
    const terms = Array.from({ length: n }, (_, i) => bonds.flatMap((bond, k) => (bond.includes(i) ? [letters[k]!] : [])));
    // Sizes whose products differ, so that no two steps are equally good.
    const sizes = new Map(bonds.map((_, k) => [letters[k]!, [2, 3, 5, 7][(k * k + k) % 4]!]));
    return { inputs: places.map((i) => terms[i]!), output: [], sizes };
  });

test("an irregular network costs no more than the greedy order", () =>
  fc.assert(
    fc.property(graphs, (network) => {
      expect(cost(order(network))).toBeLessThanOrEqual(greedy(network));
    }),
    { numRuns: 25, seed: 1 },
  ));
