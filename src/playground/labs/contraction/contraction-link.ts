/** The state of the lab as the hash of an address: `#equation=ab%2Cbc-%3Eac&sizes=a8b8c8&order=worst&step=1`. */

import { DataError } from "../../../core/errors.ts";
import { quote } from "../../../core/quote.ts";
import { formatHash, parseCount, parseHash } from "../../hash-fields.ts";
import type { Order } from "./orders.ts";
import { presets } from "./presets.ts";

export interface LabState {
  readonly equation: string;
  /** The size of each label of the equation. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly order: Order["name"];
  /** How many steps of the order are done. */
  readonly step: number;
}

export const orderNames: readonly Order["name"][] = ["library", "left-to-right", "best", "worst"];
export const largestSize = 9999;
/** The size of a label that has got none. */
export const usualSize = 8;
export const longestEquation = 120;
const mostSteps = 99;

/** The labels on the left of an equation, right or wrong, in their order. */
export const labelsIn = (equation: string): string[] => [...new Set(equation.split("->")[0]!.match(/[A-Za-z]/g) ?? [])];

/** The sizes of exactly the labels of an equation, taken from `given` where it has them. */
export const sizesFor = (equation: string, given: ReadonlyMap<string, number>): Map<string, number> =>
  new Map(labelsIn(equation).map((label) => [label, given.get(label) ?? usualSize]));

export const startState: LabState = {
  equation: presets[0]!.equation,
  sizes: new Map(Object.entries(presets[0]!.sizes)),
  order: "library",
  step: 0,
};

const formatSizes = (sizes: ReadonlyMap<string, number>): string => [...sizes].map(([label, size]) => `${label}${size}`).join("");

/** The hash of a state. */
export const formatState = ({ equation, sizes, order, step }: LabState): string =>
  formatHash({
    equation,
    ...(sizes.size === 0 ? {} : { sizes: formatSizes(sizes) }),
    ...(order === "library" ? {} : { order }),
    ...(step === 0 ? {} : { step: String(step) }),
  });

/** The sizes of `a8b16`. @throws DataError unless each label of the equation has one size in [1, 9999], and no other label has one. */
function parseSizes(text: string, equation: string): Map<string, number> {
  const sizes = new Map<string, number>();
  const labels = labelsIn(equation);
  const rule = `link: sizes must give each of ${labels.join(", ") || "no labels"} an integer in [1, ${largestSize}], as in a8b16`;
  if (!/^(?:[A-Za-z][1-9]\d{0,3})*$/.test(text)) throw new DataError(`${rule}, got ${quote(text)}; copy the link again`);
  for (const [, label, size] of text.matchAll(/([A-Za-z])(\d+)/g)) {
    if (sizes.has(label!)) throw new DataError(`${rule}, got ${label} twice; copy the link again`);
    sizes.set(label!, Number(size));
  }
  if (sizes.size !== labels.length || labels.some((label) => !sizes.has(label)))
    throw new DataError(`${rule}, got ${quote(text)}; copy the link again`);
  return new Map(labels.map((label) => [label, sizes.get(label)!]));
}

/**
 * The state of a hash. The equation itself may be wrong: einsum says so on the page.
 * @throws DataError that names what else is wrong.
 */
export function parseState(hash: string): LabState {
  const given = parseHash(hash, ["equation", "sizes", "order", "step"]);
  const equation = given.equation ?? startState.equation;
  if (equation.length > longestEquation)
    throw new DataError(`link: equation must have at most ${longestEquation} characters, got ${equation.length}; copy the link again`);
  const order = orderNames.find((name) => name === (given.order ?? "library"));
  if (order === undefined)
    throw new DataError(`link: order must be one of ${orderNames.join(", ")}, got ${quote(given.order!)}; copy the link again`);
  const known = given.equation === undefined ? startState.sizes : new Map<string, number>();
  const sizes = given.sizes === undefined ? sizesFor(equation, known) : parseSizes(given.sizes, equation);
  return { equation, sizes, order, step: parseCount("step", given.step ?? "0", mostSteps) };
}
