/**
 * A program is the source of one kernel. It is JavaScript in a string, because bundlers, minifiers and coverage tools rewrite the text of
 * functions. gpu.js translates it to WGSL, GLSL, WebAssembly or JavaScript. Sizes are arguments, so one program serves tensors of every
 * size.
 *
 * A launch has one thread for each element of the flat result, or one for every four elements; its index is `this.thread.x`. Neighbours in
 * a workgroup are neighbours in the result. Where the threads of a launch form a plane, a workgroup is 8 rows of 8 threads.
 * Three rules keep programs correct:
 * 1. `mad` and `idiv` compute flat indices. Their arguments and results are integers; any other local variable is a float, exact up to 2²⁴.
 * 2. A body returns on every path.
 * 3. A loop is written `for (let i = 0; i < n; i++)`, and its variable has a name that no other loop around it uses.
 */

import type { Storage } from "../../tensor/storage.ts";

export interface Program<Tensors extends string = string, Integers extends string = string, Floats extends string = string> {
  /** The op and its variant: the key in the kernel cache, and the name in error messages and profiles. */
  readonly name: string;
  /** The names of the arguments that are tensors. */
  readonly tensors: readonly Tensors[];
  /** The names of the integer arguments. */
  readonly integers: readonly Integers[];
  /** The names of the float arguments. */
  readonly floats: readonly Floats[];
  readonly body: string;
  /** The number of elements that each thread returns. */
  readonly lanes: 1 | 4;
  /**
   * The integer argument with the number of threads in a row, for threads that form a plane: the index of a thread in its row is
   * `this.thread.x`, and that of the row `this.thread.y`. Undefined for threads in a line.
   */
  readonly rowLength: Integers | undefined;
}

/** The arguments of a program by name: a storage for each tensor, a number for each integer and float. */
export type Inputs<Tensors extends string, Numbers extends string> = string extends Tensors | Numbers
  ? Readonly<Record<string, Storage | number>> // The names of a generated program are not known to the compiler.
  : Readonly<Record<Tensors, Storage> & Record<Numbers, number>>;

interface ProgramOptions<Tensors extends string, Integers extends string, Floats extends string> {
  readonly name: string;
  readonly tensors: readonly Tensors[];
  /** Default: none. */
  readonly integers?: readonly Integers[];
  /** Default: none. */
  readonly floats?: readonly Floats[];
  readonly body: string;
  /** Default: 1. */
  readonly lanes?: 1 | 4;
  /** Default: the threads form a line. */
  readonly rowLength?: NoInfer<Integers> | undefined;
}

/** Declares a program. The compiler then checks that every launch gives each argument by its name. */
export const program = <Tensors extends string = never, Integers extends string = never, Floats extends string = never>({
  integers = [],
  floats = [],
  lanes = 1,
  rowLength,
  ...rest
}: ProgramOptions<Tensors, Integers, Floats>): Program<Tensors, Integers, Floats> => ({ ...rest, integers, floats, lanes, rowLength });

/** The threads of a launch along x, and along y where they form a plane. */
export type Grid = readonly [x: number, y?: number];

/** The threads that compute `length` elements. @param numbers The numbers that the program gets, in its order. */
export function gridOf({ lanes, rowLength, integers }: Program, length: number, numbers: readonly number[]): Grid {
  const threads = length / lanes;
  if (rowLength === undefined) return [threads];
  const width = numbers[integers.indexOf(rowLength)]!;
  return [width, threads / width];
}

/** Threads form a plane where both sides fill a workgroup, and where WebGPU allows so many rows in a launch. */
export const planeSide = 8;
const mostRows = planeSide * 65_535;
export const isPlane = (width: number, rows: number): boolean => width >= planeSide && rows >= planeSide && rows <= mostRows;

const generated = new Map<string, Program>();

/** A generated program, which is made when its name is first asked for. */
export function programOf(name: string, make: (name: string) => Program): Program {
  const known = generated.get(name);
  if (known !== undefined) return known;
  const made = make(name);
  generated.set(name, made);
  return made;
}

const windowedPrograms = new WeakMap<Program, Program>();

/** The argument for the place of a tensor's first element in its buffer. */
const offsetName = (tensor: string): string => `${tensor}Begins`;

/** The program for tensors that begin somewhere in their buffers: after its integers it takes one offset for each tensor. */
export function windowed(what: Program): Program {
  const known = windowedPrograms.get(what);
  if (known !== undefined) return known;
  const body = what.body.replace(/\b(\w{1,40})\[/g, (read, name) => (what.tensors.includes(name) ? `${read}${offsetName(name)} + ` : read));
  const made = { ...what, name: `${what.name}, windows`, integers: [...what.integers, ...what.tensors.map(offsetName)], body };
  windowedPrograms.set(what, made);
  return made;
}

/** A program without tensors: every element is `value`. */
export const fillProgram = program({ name: "full", tensors: [], floats: ["value"], body: "return value;" });

export const copyProgram = program({ name: "copy", tensors: ["x"], body: "return x[this.thread.x];" });

/** The function that gpu.js translates, as text. */
export const sourceOf = ({ tensors, integers, floats, body }: Program): string =>
  `function(${[...tensors, ...integers, ...floats].join(", ")}) {\n${body}\n}`;

/**
 * The functions that every program may call: mad(a, b, c) = a·b + c, idiv(a, b) = ⌊a/b⌋ and imod(a, b) = a mod b, exact for integers below
 * 2³¹. A helper that calls other helpers may be called by one helper only. If two called it, gpu.js would declare it before the helpers
 * that it calls, and GLSL refuses that. For this reason `idiv` and `imod` each have their own correction of the quotient.
 */
export const helpers = [
  { source: "function mad(a, b, c) { return a * b + c; }", names: ["a", "b", "c"] },
  // The quotient of two floats is wrong by up to a·2⁻²².
  { source: "function nearQuotient(a, b) { return Math.floor((a + 0.5) / b); }", names: ["a", "b"] },
  // Dividing the remainder corrects the quotient, except by 1 where the remainder and b are too large for a float to tell them apart.
  { source: "function correctedQuotient(a, b, q) { return q + nearQuotient(a - q * b, b); }", names: ["a", "b", "q"] },
  // The last step compares the remainder r with 0 and b and corrects by 1.
  { source: "function settle(b, q, r) { if (r < 0) { return q - 1; } if (r >= b) { return q + 1; } return q; }", names: ["b", "q", "r"] },
  { source: "function settledQuotient(a, b, q) { return settle(b, q, a - q * b); }", names: ["a", "b", "q"] },
  { source: "function idiv(a, b) { return settledQuotient(a, b, correctedQuotient(a, b, nearQuotient(a, b))); }", names: ["a", "b"] },
  { source: "function correctedForRemainder(a, b, q) { return q + nearQuotient(a - q * b, b); }", names: ["a", "b", "q"] },
  { source: "function settledRemainder(r, b) { if (r < 0) { return r + b; } if (r >= b) { return r - b; } return r; }", names: ["r", "b"] },
  {
    source: "function imod(a, b) { return settledRemainder(a - b * correctedForRemainder(a, b, nearQuotient(a, b)), b); }",
    names: ["a", "b"],
  },
] as const;

/** An axis of a tensor: the name of the coordinate along it, and the name of the argument that holds its size. */
export type Axis = readonly [coordinate: string, size: string];

/** `const n = …; const c = …;`: the coordinates of element `index` of a row-major tensor with these axes. */
export const coordinates = (axes: readonly Axis[], index = "this.thread.x"): string =>
  axes
    .map(([name, size], a) => {
      const inner = axes.slice(a + 1).map(([, innerSize]) => innerSize);
      const rest = inner.length === 0 ? index : `idiv(${index}, ${inner.join(" * ")})`;
      return `const ${name} = ${a === 0 ? rest : `imod(${rest}, ${size})`};`;
    })
    .join("\n");

/** The coordinates of a thread's element: those of `rows` number the rows of the plane, or come before those of `columns` in a line. */
export const threadCoordinates = (plane: boolean, rows: readonly Axis[], columns: readonly Axis[]): string =>
  plane ? `${coordinates(rows, "this.thread.y")}\n${coordinates(columns)}` : coordinates([...rows, ...columns]);

/** The flat index of the element at these coordinates: the inverse of `coordinates`. */
export const flatIndex = ([[first], ...inner]: readonly [Axis, ...Axis[]]): string =>
  inner.reduce((flat, [name, size]) => `mad(${flat}, ${size}, ${name})`, first);

/** ⌊a/b⌋ for coordinates, which are far below 2²². Inside a loop it is cheaper than `idiv`. */
export const smallQuotient = (a: string, b: string): string => `Math.floor((${a} + 0.5) / ${b})`;

/** Whether v is NaN. Shader compilers replace `v !== v` by `false`. */
export const isNotANumber = (v: string): string => `(!(${v} >= 0.0 || ${v} < 0.0))`;
