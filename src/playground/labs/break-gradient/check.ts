/**
 * Checks the text of a VJP as a property: for generated inputs it agrees with central differences. Of a VJP that is wrong, fast-check makes
 * the counterexample smaller and smaller, and every smaller one is kept.
 */

import fc from "fast-check";
import { tensor } from "../../../ops/creation.ts";
import { noGrad } from "../../../tape/tape.ts";
import { scope } from "../../../tensor/scope.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { type Exercise, vocabulary } from "./exercises.ts";
import type { Counterexample, Verdict } from "./verdict.ts";

/** The step of the differences. Their error is near its square, and near 10⁻¹⁶/step. */
const step = 1e-5;
/** The largest difference that is no fault, relative to 1 and to the gradient. */
const tolerance = 1e-6;
const runs = 100;
/** The most rows and columns. */
const most = 3;

type Vjp = (x: Tensor, g: Tensor) => unknown;

/** The function of a text. @throws SyntaxError for a text that is no program. */
function compile(source: string): Vjp {
  const body = new Function(...Object.keys(vocabulary), "x", "g", `"use strict";\n${source}`);
  return (x, g) => body(...Object.values(vocabulary), x, g);
}

const float64 = (values: readonly number[], shape: readonly number[]): Tensor => tensor(values, { shape, dtype: "float64" });

/** Φ(x) = ⟨g, f(x)⟩ and the shape of f(x). */
async function valueAt(
  exercise: Exercise,
  x: readonly number[],
  shape: readonly number[],
): Promise<{ y: ArrayLike<number>; shape: readonly number[] }> {
  const y = scope(() => noGrad(() => exercise.forward(float64(x, shape))));
  const result = { y: await y.data(), shape: y.shape };
  y.dispose();
  return result;
}

const dot = (a: readonly number[], b: ArrayLike<number>): number => a.reduce((total, value, i) => total + value * b[i]!, 0);

/** The gradient of ⟨g, f(x)⟩ by central differences, which need no VJP. */
async function differences(exercise: Exercise, x: readonly number[], g: readonly number[], shape: readonly number[]): Promise<number[]> {
  const gradient: number[] = [];
  for (const at of x.keys()) {
    const moved = (h: number): number[] => x.map((value, i) => (i === at ? value + h : value));
    const [up, down] = [await valueAt(exercise, moved(step), shape), await valueAt(exercise, moved(-step), shape)];
    gradient.push((dot(g, up.y) - dot(g, down.y)) / (2 * step));
  }
  return gradient;
}

/** What the text gives. A result of another shape and an error are texts. */
async function resultOf(vjp: Vjp, x: Tensor, g: Tensor): Promise<readonly number[] | string> {
  try {
    const result = scope(() => noGrad(() => vjp(x, g))) as unknown;
    if (!(result instanceof Tensor)) return `must return a tensor, got ${String(result)}`;
    if (result.shape.join() !== x.shape.join()) return `must return the shape of x, [${x.shape.join()}], got [${result.shape.join()}]`;
    const numbers = Array.from(await result.data(), Number);
    if (result !== x && result !== g) result.dispose();
    return numbers;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A quarter of an integer has few digits, and shrinks to 0. */
const quarter = fc.integer({ min: -8, max: 8 }).map((n) => n / 4);
const values = fc.array(quarter, { minLength: most ** 2, maxLength: most ** 2 });
const side = fc.integer({ min: 1, max: most });

/** @param seed Of the generated inputs. */
export async function checkSource(exercise: Exercise, source: string, seed: number): Promise<Verdict> {
  let vjp: Vjp;
  try {
    vjp = compile(source);
  } catch (error) {
    return { kind: "unreadable", message: error instanceof Error ? error.message : String(error) };
  }
  const path: Counterexample[] = [];
  const property = fc.asyncProperty(side, side, values, values, async (rows, columns, someX, someG) => {
    const shape = [rows, columns];
    const x = someX.slice(0, rows * columns);
    const y = await valueAt(exercise, x, shape);
    const g = someG.slice(0, y.y.length);
    const expected = await differences(exercise, x, g, shape);
    const [xs, gs] = [float64(x, shape), float64(g, y.shape)];
    const got = await resultOf(vjp, xs, gs);
    xs.dispose();
    gs.dispose();
    if (typeof got !== "string" && agree(got, expected)) return true;
    const last = path.at(-1);
    // Numbers beyond the shape shrink, too, and change nothing that is shown.
    const isSeen = last !== undefined && last.rows === rows && String([last.x, last.g]) === String([x, g]);
    if (!isSeen) path.push({ rows, columns, x, g, got, expected });
    return false;
  });
  const { failed } = await fc.check(property, { seed, numRuns: runs });
  return failed ? { kind: "wrong", path } : { kind: "right", runs };
}

/** Whether two gradients agree. A result that is not a number agrees with nothing. */
const agree = (got: readonly number[], expected: readonly number[]): boolean =>
  expected.every((value, i) => Math.abs(got[i]! - value) <= tolerance * Math.max(1, Math.abs(value)));
