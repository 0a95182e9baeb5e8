/** Orders of pairwise contractions, and what they cost. */

import { sizeOf } from "../../../core/shape.ts";
import type { Contraction } from "../../../ops/contraction-order.ts";
import type { EinsumPlan } from "../../../ops/einsum.ts";

/** What remains of the operands after some steps. */
export interface Term {
  /** The operands that were contracted to this term. */
  readonly members: readonly number[];
  /** The labels that the output or another term still needs. */
  readonly labels: readonly string[];
}

/** A contraction, with what goes in and what comes out. */
export interface Step extends Contraction {
  readonly left: Term;
  readonly right: Term;
  readonly result: Term;
}

/** What an order needs to know of a plan. */
export type Network = Pick<EinsumPlan, "inputs" | "output" | "sizes">;

/** The largest number of operands for which all orders are tried: 105 orders. */
export const exhaustiveLimit = 5;

const labelsNeeded = ({ output }: Network, others: readonly Term[]): Set<string> =>
  new Set([...output, ...others.flatMap(({ labels }) => labels)]);

/** The operands as terms, without the labels that only one operand has: those are summed before any product. */
export function firstTerms(network: Network): Term[] {
  const whole = network.inputs.map((labels, i): Term => ({ members: [i], labels }));
  return whole.map((term) => {
    const needed = labelsNeeded(
      network,
      whole.filter((other) => other !== term),
    );
    return { ...term, labels: term.labels.filter((label) => needed.has(label)) };
  });
}

/** The contraction of the terms at a and b, and the terms after it. The two leave the list, and the result goes to its end. */
function contracted(network: Network, terms: readonly Term[], a: number, b: number): { readonly step: Step; readonly terms: Term[] } {
  const [left, right] = [terms[a]!, terms[b]!];
  const rest = terms.filter((_, i) => i !== a && i !== b);
  const involved = [...new Set([...left.labels, ...right.labels])];
  const needed = labelsNeeded(network, rest);
  const result = {
    members: [...left.members, ...right.members].sort((x, y) => x - y),
    labels: involved.filter((label) => needed.has(label)),
  };
  const multiplyAdds = sizeOf(involved.map((label) => network.sizes.get(label)!));
  return { step: { a, b, multiplyAdds, left, right, result }, terms: [...rest, result] };
}

/** The steps that contract the pairs of positions one after the other. */
export function stepsOf(network: Network, pairs: readonly Pick<Contraction, "a" | "b">[]): Step[] {
  let terms = firstTerms(network);
  return pairs.map(({ a, b }) => {
    const next = contracted(network, terms, a, b);
    terms = next.terms;
    return next.step;
  });
}

/** The terms after the first steps of an order. */
export const termsAfter = (network: Network, steps: readonly Step[]): Term[] =>
  steps.reduce((terms, { a, b, result }) => [...terms.filter((_, i) => i !== a && i !== b), result], firstTerms(network));

export const totalCost = (steps: readonly Contraction[]): number => steps.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);

/** The order of the equation: the first two operands, then each further one. */
export function leftToRight(network: Network): Step[] {
  // The result of a step lies at the end of the list, and the next operand at its beginning.
  const pairs = network.inputs.slice(1).map((_, i) => (i === 0 ? { a: 0, b: 1 } : { a: network.inputs.length - i - 1, b: 0 }));
  return stepsOf(network, pairs);
}

/**
 * All orders of pairwise contractions, each tree once: of n operands there are (2n−3)!! = 1·3·5·…, thus 105 of five. A set of operands is a
 * number, with bit i for the i-th operand. A tree has one order in which these numbers of its results grow, because a set is a larger
 * number than its subsets. Only that order is followed.
 */
export function allOrders(network: Network): Step[][] {
  const orders: Step[][] = [];
  const bitsOf = ({ members }: Term): number => members.reduce((bits, member) => bits | (1 << member), 0);
  const extend = (terms: readonly Term[], steps: readonly Step[], least: number): void => {
    if (terms.length <= 1) orders.push([...steps]);
    for (let a = 0; a < terms.length; a++)
      for (let b = a + 1; b < terms.length; b++) {
        const next = contracted(network, terms, a, b);
        const bits = bitsOf(next.step.result);
        if (bits > least) extend(next.terms, [...steps, next.step], bits);
      }
  };
  extend(firstTerms(network), [], 0);
  return orders;
}

/** An order that the page shows. */
export interface Order {
  readonly name: "library" | "left-to-right" | "best" | "worst";
  readonly title: string;
  readonly steps: readonly Step[];
  readonly multiplyAdds: number;
}

/** The library's order and those beside it. The best and the worst are there for up to five operands. */
export function ordersOf(plan: EinsumPlan): { readonly orders: readonly Order[]; readonly tried: number | undefined } {
  const order = (name: Order["name"], title: string, steps: readonly Step[]): Order => ({
    name,
    title,
    steps,
    multiplyAdds: totalCost(steps),
  });
  const orders = [
    order("library", "The library's order", stepsOf(plan, plan.steps)),
    order("left-to-right", "Left to right", leftToRight(plan)),
  ];
  if (plan.inputs.length > exhaustiveLimit) return { orders, tried: undefined };
  const all = allOrders(plan);
  const [best, worst] = [Math.min, Math.max].map((choose) => {
    const cost = choose(...all.map(totalCost));
    return all.find((steps) => totalCost(steps) === cost)!;
  });
  return { orders: [...orders, order("best", "The best of all", best!), order("worst", "The worst of all", worst!)], tried: all.length };
}
