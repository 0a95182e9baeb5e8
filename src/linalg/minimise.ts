/** Descent by L-BFGS (Nocedal & Wright 2006, Numerical Optimization, algorithms 7.4 and 7.5), for fits that have no closed form. */

import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";

/** The value of a function at a point, and its gradient there. */
export interface ValueAndGradient {
  readonly value: number;
  readonly gradient: Float64Array;
}

export interface MinimiseOptions {
  /** The largest number of steps. Default: 200. */
  readonly iterations?: number;
  /** The descent ends when a step lowers the value by no more than this fraction of the first value. Default: 1e-12. */
  readonly tolerance?: number;
  /** The number of steps that the model of the curvature remembers. Default: 10. */
  readonly memory?: number;
}

/** The names of `MinimiseOptions`. */
export const minimiseOptions: OptionNames = optionNames<MinimiseOptions>({ iterations: true, tolerance: true, memory: true });

export interface Minimum {
  readonly point: Float64Array;
  /** The value at the start, and after each step. It never rises. */
  readonly values: readonly number[];
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** a + t·b. */
function plus(a: Float64Array, t: number, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! + t * b[i]!;
  return out;
}

/** A step and the change of the gradient along it. */
interface Curvature {
  readonly step: Float64Array;
  readonly change: Float64Array;
}

/** −H·g, where H is the inverse Hessian that the remembered steps suggest (algorithm 7.4). */
function direction(gradient: Float64Array, remembered: readonly Curvature[]): Float64Array {
  let q: Float64Array = gradient.slice();
  const weights: number[] = [];
  for (const { step, change } of remembered.toReversed()) {
    const weight = dot(step, q) / dot(step, change);
    weights.unshift(weight);
    q = plus(q, -weight, change);
  }
  const last = remembered.at(-1);
  const factor = last === undefined ? 1 : dot(last.step, last.change) / dot(last.change, last.change);
  q = q.map((value) => value * factor);
  for (const [k, { step, change }] of remembered.entries()) q = plus(q, weights[k]! - dot(change, q) / dot(step, change), step);
  return q.map((value) => -value);
}

/** A step must lower the value by this fraction of what the slope promises (Armijo's condition). */
const sufficient = 1e-4;
/** A step that is halved this often without success ends the descent. */
const mostHalvings = 40;

/**
 * A local minimum of a smooth function, from `start`. A step is accepted only if it lowers the value enough, so the value never rises.
 */
export function minimise(at: (point: Float64Array) => ValueAndGradient, start: Float64Array, options: MinimiseOptions = {}): Minimum {
  checkOptions("minimise", options, minimiseOptions);
  const { iterations = 200, tolerance = 1e-12, memory = 10 } = options;
  checkNumbers("minimise", { iterations }, { integer: true, least: 0 });
  checkNumbers("minimise", { memory }, { integer: true, least: 1 });
  checkNumbers("minimise", { tolerance }, { least: 0 });
  let point = start;
  let here = at(start);
  const values = [here.value];
  let remembered: readonly Curvature[] = [];
  for (let round = 0; round < iterations; round++) {
    let towards = direction(here.gradient, remembered);
    let slope = dot(towards, here.gradient);
    if (!(slope < 0)) {
      remembered = [];
      towards = here.gradient.map((value) => -value);
      slope = -dot(here.gradient, here.gradient);
      if (slope === 0) break;
    }
    // Without a model of the curvature the length of a step is unknown. A first step of the length of the point is a safe one.
    let length = remembered.length > 0 ? 1 : Math.min(1, Math.sqrt(dot(point, point) / -slope) || 1);
    let next = plus(point, length, towards);
    let there = at(next);
    for (let halved = 0; !(there.value <= here.value + sufficient * length * slope); halved++) {
      if (halved === mostHalvings) return { point, values };
      length /= 2;
      next = plus(point, length, towards);
      there = at(next);
    }
    const [step, change] = [plus(next, -1, point), plus(there.gradient, -1, here.gradient)];
    // Only steps along which the function curves upwards keep H positive definite.
    if (dot(step, change) > 1e-12 * dot(step, step)) remembered = [...remembered, { step, change }].slice(-memory);
    const gained = here.value - there.value;
    point = next;
    here = there;
    values.push(here.value);
    if (gained <= tolerance * values[0]!) break;
  }
  return { point, values };
}
