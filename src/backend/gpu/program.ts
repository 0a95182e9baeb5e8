/**
 * A program is the source of one kernel: JavaScript as text, because functions do not survive bundlers, minifiers and coverage, put
 * together from the pieces below. gpu.js translates it to WGSL, GLSL, WebAssembly or JavaScript. One program serves every size: sizes are arguments.
 *
 * Every program has one thread for each element of a flat result (or for four of them), `this.thread.x`. Three rules keep it exact:
 * a flat place is computed by `mad` and `idiv`, whose arguments and results are integers — any other local is a float, exact up to 2²⁴
 * only; a body returns on every path; loops are `for (let i = 0; i < n; i++)` with a name of their own.
 */

import type { Storage } from "../../tensor/storage.ts";

export interface Program<Tensors extends string = string, Integers extends string = string, Floats extends string = string> {
  /** Names the op and its variant: the key of the kernel cache, and what an error calls it. */
  readonly name: string;
  readonly tensors: readonly Tensors[];
  readonly integers: readonly Integers[];
  readonly floats: readonly Floats[];
  readonly body: string;
  /** Elements a thread returns. */
  readonly lanes: 1 | 4;
}

/** The inputs of a program by name: a storage for each tensor, a number for each size and scalar. */
export type Inputs<Tensors extends string, Numbers extends string> = string extends Tensors | Numbers
  ? Readonly<Record<string, Storage | number>> // names that are made up as the program is
  : Readonly<Record<Tensors, Storage> & Record<Numbers, number>>;

interface Declaration<Tensors extends string, Integers extends string, Floats extends string> {
  readonly name: string;
  readonly tensors: readonly Tensors[];
  readonly integers?: readonly Integers[];
  readonly floats?: readonly Floats[];
  readonly body: string;
  readonly lanes?: 1 | 4;
}

/** Declares a program; its sizes and scalars are named, and must be given by those names. */
export const program = <Tensors extends string = never, Integers extends string = never, Floats extends string = never>({
  integers = [],
  floats = [],
  lanes = 1,
  ...rest
}: Declaration<Tensors, Integers, Floats>): Program<Tensors, Integers, Floats> => ({ ...rest, integers, floats, lanes });

/** The text gpu.js translates. */
export const sourceOf = ({ tensors, integers, floats, body }: Program): string =>
  `function(${[...tensors, ...integers, ...floats].join(", ")}) {\n${body}\n}`;

/**
 * Functions every program may call. Integer in, integer out: the only arithmetic that is exact beyond 2²⁴. One that calls others may itself be
 * called from one place only (and from programs): gpu.js declares one reached by two ways before what it calls, which GLSL refuses.
 */
export const helpers = [
  { source: "function mad(a, b, c) { return a * b + c; }", names: ["a", "b", "c"] },
  // A quotient by floats is off by up to a·2⁻²²; dividing what remains mends it but for one, where what remains and b are too large for floats to part.
  { source: "function nearQuotient(a, b) { return Math.floor((a + 0.5) / b); }", names: ["a", "b"] },
  { source: "function mendQuotient(a, b, q) { return q + nearQuotient(a - q * b, b); }", names: ["a", "b", "q"] },
  { source: "function settle(b, q, r) { if (r < 0) { return q - 1; } if (r >= b) { return q + 1; } return q; }", names: ["b", "q", "r"] },
  { source: "function settleQuotient(a, b, q) { return settle(b, q, a - q * b); }", names: ["a", "b", "q"] },
  { source: "function idiv(a, b) { return settleQuotient(a, b, mendQuotient(a, b, nearQuotient(a, b))); }", names: ["a", "b"] },
  { source: "function mendAgain(a, b, q) { return q + nearQuotient(a - q * b, b); }", names: ["a", "b", "q"] },
  { source: "function settleRemainder(r, b) { if (r < 0) { return r + b; } if (r >= b) { return r - b; } return r; }", names: ["r", "b"] },
  { source: "function imod(a, b) { return settleRemainder(a - b * mendAgain(a, b, nearQuotient(a, b)), b); }", names: ["a", "b"] },
] as const;

/** An axis: the name of the coordinate along it, and the argument that holds its size. */
export type Axis = readonly [coordinate: string, size: string];

/** `const n = …; const c = …;`: where `index`, a flat place in a row-major tensor of these axes, stands along each. */
export const coordinates = (axes: readonly Axis[], index = "this.thread.x"): string =>
  axes
    .map(([name, size], a) => {
      const below = axes.slice(a + 1).map(([, inner]) => inner);
      const rest = below.length === 0 ? index : `idiv(${index}, ${below.join(" * ")})`;
      return `const ${name} = ${a === 0 ? rest : `imod(${rest}, ${size})`};`;
    })
    .join("\n");

/** The flat place of these coordinates: the inverse of `coordinates`. */
export const place = ([[first], ...inner]: readonly [Axis, ...Axis[]]): string =>
  inner.reduce((flat, [name, size]) => `mad(${flat}, ${size}, ${name})`, first);

/** ⌊a/b⌋ of coordinates, numbers far below 2²²: cheaper than `idiv` inside a loop. */
export const smallQuotient = (a: string, b: string): string => `Math.floor((${a} + 0.5) / ${b})`;

/** Whether v is NaN. `v !== v` is folded to false by shader compilers. */
export const isNotANumber = (v: string): string => `(!(${v} >= 0.0 || ${v} < 0.0))`;
