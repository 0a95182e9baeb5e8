/**
 * What the threads of a launch read. A program is JavaScript, so its threads run here as they stand, with an index that is noted at every
 * read. Every element is 1, so the counts hold for programs whose reads do not depend on the values of elements.
 */

import { type Grid, gridOf, type Program, planeSide, sourceOf } from "../../../src/backend/gpu/program.ts";
import { type Launch, threadsOf } from "./recording-device.ts";

export interface LaunchCounts {
  readonly threads: number;
  /** The elements that a thread returns. */
  readonly lanes: number;
  /** The elements that a thread reads. This and the following are means over the threads of the counted workgroups. */
  readonly loads: number;
  /** The calls of `mad`, which compute indices. */
  readonly indexSteps: number;
  /** The calls of `idiv` and `imod`. */
  readonly divisions: number;
  /** The different elements that the threads of a workgroup read together, for each thread. */
  readonly sharedLoads: number;
  /** The elements of the buffers of all operands, and of the result. */
  readonly words: number;
}

/** The threads of a workgroup in a line, which gpu.js fixes. In a plane they are `planeSide` rows of as many. */
const workgroupSize = 64;

/** Workgroups are counted until there are so many of them, and so many reads of their threads; or all, where a launch has fewer. */
const enough = { workgroups: 4, reads: 2 ** 20 };

/** Counts the reads of a tensor, and how many different elements they are in a workgroup. */
class Reads {
  total = 0;
  different = 0;
  /** The number of the current workgroup, from 1 on. */
  workgroup = 0;
  /** The last workgroup that read an element. */
  readonly #readers: Uint32Array;

  constructor(length: number) {
    this.#readers = new Uint32Array(length);
  }

  /** Notes a read of the element. @throws RangeError outside the tensor. */
  set at(place: number) {
    if (!(place >= 0 && place < this.#readers.length)) throw new RangeError(`an index must be below ${this.#readers.length}, got ${place}`);
    this.total++;
    if (this.#readers[place] === this.workgroup) return;
    this.#readers[place] = this.workgroup;
    this.different++;
  }
}

type Thread = (this: { readonly thread: { readonly x: number; readonly y: number } }, ...inputs: readonly unknown[]) => unknown;

/** The helpers of programs. They count their calls. */
function countingHelpers() {
  const calls = { indexSteps: 0, divisions: 0 };
  const quotient = (a: number, b: number): number => {
    calls.divisions++;
    return Math.floor(a / b);
  };
  return {
    calls,
    mad: (a: number, b: number, c: number): number => {
      calls.indexSteps++;
      return a * b + c;
    },
    idiv: quotient,
    imod: (a: number, b: number): number => a - b * quotient(a, b),
  };
}

/** The program as a function whose reads `x[i]` have become `x[reads.x.at = i]`. */
function threadOf(program: Program, reads: Readonly<Record<string, Reads>>, helpers: ReturnType<typeof countingHelpers>): Thread {
  const source = sourceOf(program).replace(/\b(\w{1,40})\[/g, (read, name) => (name in reads ? `${read}reads.${name}.at = ` : read));
  const { mad, idiv, imod } = helpers;
  return new Function("reads", "mad", "idiv", "imod", `"use strict"; return ${source};`)(reads, mad, idiv, imod);
}

const workgroupsOf = ([x, y]: Grid): number =>
  y === undefined ? Math.ceil(x / workgroupSize) : Math.ceil(x / planeSide) * Math.ceil(y / planeSide);

/** The threads of a workgroup. */
function* threadsIn(workgroup: number, [width, rows]: Grid): Generator<{ readonly x: number; readonly y: number }> {
  const inRow = rows === undefined ? 1 : Math.ceil(width / planeSide);
  const side = rows === undefined ? { x: workgroupSize, y: 1 } : { x: planeSide, y: planeSide };
  const first =
    rows === undefined ? { x: workgroup * side.x, y: 0 } : { x: (workgroup % inRow) * side.x, y: Math.floor(workgroup / inRow) * side.y };
  for (let y = first.y; y < Math.min(first.y + side.y, rows ?? 1); y++)
    for (let x = first.x; x < Math.min(first.x + side.x, width); x++) yield { x, y };
}

/**
 * Counts the launch by workgroups that are spread over it.
 * @throws RangeError where a thread reads outside a tensor.
 */
export function countLaunch(launch: Launch): LaunchCounts {
  const { program, inputs, elements, length } = launch;
  const threads = threadsOf(launch);
  const reads = Object.fromEntries(program.tensors.map((name, i) => [name, new Reads(elements[i]!)]));
  const helpers = countingHelpers();
  const run = threadOf(program, reads, helpers);
  const given = [
    ...elements.map((count) => new Float32Array(count).fill(1)),
    ...[...program.integers, ...program.floats].map((name) => inputs[name]),
  ];
  let [workgroups, counted] = [0, 0];
  const numbers = program.integers.map((name) => inputs[name] as number);
  const grid = gridOf(program, length, numbers);
  for (const workgroup of spreadOver(workgroupsOf(grid))) {
    workgroups++;
    for (const each of Object.values(reads)) each.workgroup = workgroups;
    for (const thread of threadsIn(workgroup, grid)) {
      run.call({ thread }, ...given);
      counted++;
    }
    if (workgroups >= enough.workgroups && Object.values(reads).some(({ total }) => total >= enough.reads)) break;
  }
  const mean = (count: (each: Reads) => number): number => Object.values(reads).reduce((sum, each) => sum + count(each), 0) / counted;
  return {
    threads,
    lanes: program.lanes,
    loads: mean(({ total }) => total),
    indexSteps: helpers.calls.indexSteps / counted,
    divisions: helpers.calls.divisions / counted,
    sharedLoads: mean(({ different }) => different),
    words: elements.reduce((sum, count) => sum + count, length),
  };
}

/**
 * Every number below `count` once. Those up to any place are spread evenly: they are the numbers with as many bits, bits reversed, in
 * order.
 */
function* spreadOver(count: number): Generator<number> {
  const bits = Math.ceil(Math.log2(count));
  for (let i = 0; i < 2 ** bits; i++) {
    let reversed = 0;
    for (let bit = 0; bit < bits; bit++) reversed += Math.floor(i / 2 ** bit) % 2 === 1 ? 2 ** (bits - 1 - bit) : 0;
    if (reversed < count) yield reversed;
  }
}
