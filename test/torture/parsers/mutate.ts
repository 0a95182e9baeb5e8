/** Damage to real files: to their bytes, and to the values of their JSON. */

import type { Dice } from "./randomness.ts";

/** Numbers at which formats have their limits, by their width in bytes. */
const edges: Readonly<Record<number, readonly bigint[]>> = {
  1: [0n, 1n, 0x7fn, 0x80n, 0xffn],
  2: [0n, 1n, 0x7fffn, 0x8000n, 0xffffn],
  4: [0n, 1n, 0x7fffffffn, 0x80000000n, 0xffffffffn],
  8: [0n, 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n],
};

/** No damaged file is longer. */
const longest = 2 ** 17;

type Damage = (bytes: Uint8Array, dice: Dice) => Uint8Array;

/** A part of the bytes: its start and its end. */
function span(bytes: Uint8Array, dice: Dice): [number, number] {
  const from = dice.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + dice.below(dice.chance(0.5) ? 16 : bytes.length + 1))];
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts)).subarray(0, longest);

const damages: readonly Damage[] = [
  // A bit.
  (bytes, dice) => {
    const at = dice.below(bytes.length);
    if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << dice.below(8));
    return bytes;
  },
  // A number at the edge of its range, in either order of bytes.
  (bytes, dice) => {
    const width = dice.pick([1, 2, 4, 8]);
    if (bytes.length < width) return bytes;
    const at = dice.below(bytes.length - width + 1);
    const value = dice.pick(edges[width]!);
    const little = dice.chance(0.5);
    for (let i = 0; i < width; i++) bytes[at + i] = Number((value >> BigInt(8 * (little ? i : width - 1 - i))) & 0xffn);
    return bytes;
  },
  // A part that is missing, repeated, or at another place; an end that is missing.
  (bytes, dice) => {
    const [from, to] = span(bytes, dice);
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  (bytes, dice) => {
    const [from, to] = span(bytes, dice);
    const times = dice.pick([1, 2, 2, 64, 1000]);
    const part = bytes.subarray(from, to);
    const repeats = Math.min(times, Math.ceil(longest / Math.max(1, part.length)));
    return joined(bytes.subarray(0, to), ...new Array<Uint8Array>(repeats).fill(part), bytes.subarray(to));
  },
  (bytes, dice) => {
    const [[from, to], at] = [span(bytes, dice), dice.below(bytes.length + 1)];
    const copy = bytes.slice(from, to);
    const moved = bytes.slice();
    moved.set(copy.subarray(0, moved.length - at), at);
    return moved;
  },
  (bytes, dice) => bytes.subarray(0, dice.below(bytes.length + 1)),
  // Bytes of chance.
  (bytes, dice) => {
    const at = dice.below(bytes.length + 1);
    const added = Uint8Array.from({ length: 1 + dice.below(8) }, () => dice.below(256));
    return joined(bytes.subarray(0, at), added, bytes.subarray(at));
  },
];

/** A copy of the bytes with one to six damages, in half of the cases with one. */
export function mutateBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  let damaged: Uint8Array = bytes.slice();
  for (let left = dice.chance(0.5) ? 1 : 1 + dice.below(6); left > 0; left--) damaged = dice.pick(damages)(damaged, dice).slice();
  return damaged;
}

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

/** Stands for lists that are nested 20,000 times, which JSON.stringify cannot write. */
const deepMark = "@deep@";

/** Values that a field does not expect. Each is made when it is needed, because some are large. */
export const hostileValues: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => 0.5,
  () => 1e308,
  () => 2 ** 53,
  () => 2 ** 31,
  () => 65_537,
  () => "",
  () => "x".repeat(100_000),
  () => "\u001b[2J\u202e\u0000\n",
  () => "../../../etc/passwd",
  () => "__proto__",
  () => "NaN",
  () => "\ud800",
  () => [],
  () => ({}),
  () => [[[]]],
  () => new Array(10_000).fill(1),
  () => JSON.parse(nested(150)) as unknown,
  () => deepMark,
  () => ({ length: 3 }),
  () =>
    Object.fromEntries([
      ["__proto__", { polluted: true }],
      ["constructor", 1],
    ]),
];

/** The places of a value: each is an object or a list, and a key of it. */
function placesOf(root: unknown): { holder: Record<string, unknown>; key: string }[] {
  const places: { holder: Record<string, unknown>; key: string }[] = [];
  const open: unknown[] = [root];
  while (open.length > 0 && places.length < 2000) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    for (const key of Object.keys(value).slice(0, 200)) {
      places.push({ holder: value as Record<string, unknown>, key });
      open.push((value as Record<string, unknown>)[key]);
    }
  }
  return places;
}

/** Sets a property also where its name is __proto__. */
const define = (holder: Record<string, unknown>, key: string, value: unknown): void =>
  void Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });

/** The value with one to three of its fields, mostly one, removed, renamed, exchanged or replaced. The original stays as it is. */
export function mutateValue(original: unknown, dice: Dice): unknown {
  const box: Record<string, unknown> = { value: structuredClone(original) };
  for (let left = dice.chance(0.6) ? 1 : 1 + dice.below(3); left > 0; left--) {
    const places = placesOf(box);
    if (places.length === 0) break;
    const { holder, key } = dice.pick(places.length > 1 && dice.chance(0.95) ? places.filter((place) => place.holder !== box) : places);
    const action = dice.below(10);
    if (action === 0) delete holder[key];
    else if (action === 1) {
      define(holder, dice.pick(["__proto__", "constructor", "toString", `${key} `, key.toUpperCase(), "\u001b[2J"]), holder[key]);
      delete holder[key];
    } else if (action === 2) {
      const other = dice.pick(places);
      define(holder, key, structuredClone(other.holder[other.key]));
    } else define(holder, key, dice.pick(hostileValues)());
  }
  return box.value;
}

/** JSON of a damaged value, or, one time in four, a text whose bytes are damaged. */
export function mutateJson(value: unknown, dice: Dice): string {
  if (dice.chance(0.25)) return new TextDecoder().decode(mutateBytes(new TextEncoder().encode(JSON.stringify(value)), dice));
  return stringify(mutateValue(value, dice));
}

/** The JSON of a damaged value. */
export const stringify = (value: unknown): string => (JSON.stringify(value) ?? "").replaceAll(`"${deepMark}"`, nested(20_000));
