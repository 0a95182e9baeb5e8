/** Damage to a JSON text: what a crash, an editor or a stranger can make of it. */

import fc from "fast-check";

/** The paths to every value in a value, the value itself included. */
function pathsIn(value: unknown, path: readonly string[] = []): string[][] {
  const below = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [[...path], ...below.flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
}

/** A copy with another value at the path, or without the key where `other` is undefined. */
function replaced(value: unknown, [key, ...rest]: readonly string[], other: unknown): unknown {
  if (key === undefined) return other;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  const inner = replaced(copy[key], rest, other);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

const numbers = fc.constantFrom(0, -1, 0.5, 1e308, -1e308, 2 ** 53, 2 ** 32, 4294967295);
const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), numbers, fc.constant("\u001b]0;owned\u0007".repeat(400)), fc.constant(undefined));

/** Texts near the JSON of `real`, and texts that have nothing to do with it. */
export function damagedJson(real: unknown): fc.Arbitrary<string> {
  const text = JSON.stringify(real);
  const paths = pathsIn(real);
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(fc.constantFrom(...paths), value).map(([path, other]) => JSON.stringify(replaced(real, path, other)) ?? ""),
    },
    fc.jsonValue().map((other) => JSON.stringify(other)),
    fc.nat(text.length).map((length) => text.slice(0, length)),
    fc
      .tuple(fc.nat(text.length), fc.string({ unit: "binary", maxLength: 4 }))
      .map(([at, inserted]) => text.slice(0, at) + inserted + text.slice(at + 1)),
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "",
      "null",
      '{"__proto__":{"settings":1}}',
      "[".repeat(20_000) + "]".repeat(20_000),
      `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`,
      text.replace(/\d+/, "1e999"),
      "9".repeat(20_000),
      `"${"\u001b[31m".repeat(10_000)}`,
    ),
  );
}
