/** Divides the images of a data set without a test split. */

import { ConfigError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";

/** Positions of images among all images of their class. */
export interface Division {
  readonly train: readonly number[];
  readonly test: readonly number[];
}

/** @throws ConfigError for a share outside [0, 1]. */
export function checkShare(op: string, share: number): void {
  if (!(share >= 0 && share <= 1)) throw new ConfigError(`${op}: testShare must be a number in [0, 1], got ${share}`);
}

/**
 * Draws the test images of one class: round(share · count) of its images. When 0 < share < 1, a class of two or more images has at least
 * one image in each split, and a class of one image has its image in the training split.
 */
export function divideClass(count: number, share: number, random: Random): Division {
  const most = share === 1 ? count : Math.max(0, count - 1);
  const least = share === 0 ? 0 : Math.min(1, most);
  const tested = Math.min(most, Math.max(least, Math.round(share * count)));
  const order = random.permutation(count);
  const ascending = (part: Uint32Array): number[] => Array.from(part).sort((a, b) => a - b);
  return { test: ascending(order.subarray(0, tested)), train: ascending(order.subarray(tested)) };
}

/** The elements of all lists in turns: the first of each list, then the second of each, and so on. */
export function inTurns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = lists.reduce((most, { length }) => Math.max(most, length), 0);
  const all: T[] = [];
  for (let i = 0; i < longest; i++) for (const list of lists) if (i < list.length) all.push(list[i]!);
  return all;
}
