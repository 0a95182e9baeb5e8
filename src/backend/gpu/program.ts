/**
 * A program is the source of one kernel: JavaScript as text, because functions do not survive bundlers, minifiers and coverage, put
 * together from the pieces below. gpu.js translates it to WGSL, GLSL, WebAssembly or JavaScript. One program serves every size: sizes are arguments.
 *
 * Every program has one thread for each element of a flat result (or for four of them), `this.thread.x`. Three rules keep it exact:
 * a flat place is computed by `mad` and `idiv`, whose arguments and results are integers — any other local is a float, exact up to 2²⁴
 * only; a body returns on every path; loops are `for (let i = 0; i < n; i++)` with a name of their own.
 */

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

// A quotient by floats is off by up to a·2⁻²⁴; dividing what remains mends it.
const quotient = "mad(nearQuotient(restOf(a, b, nearQuotient(a, b)), b), 1, nearQuotient(a, b))";

/**
 * Functions every program may call. Integer in, integer out: the only arithmetic that is exact beyond 2²⁴. Those that bodies call may
 * themselves call such functions only as call none: where two functions share a third, gpu.js defines the third before both but leaves
 * behind what it calls in turn, and GLSL knows no function before its definition.
 */
export const helpers = [
  { source: "function mad(a, b, c) { return a * b + c; }", names: ["a", "b", "c"] },
  { source: "function nearQuotient(a, b) { return Math.floor((a + 0.5) / b); }", names: ["a", "b"] },
  { source: "function restOf(a, b, q) { return a - b * q; }", names: ["a", "b", "q"] },
  { source: `function idiv(a, b) { return ${quotient}; }`, names: ["a", "b"] },
  { source: `function imod(a, b) { return restOf(a, b, ${quotient}); }`, names: ["a", "b"] },
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
