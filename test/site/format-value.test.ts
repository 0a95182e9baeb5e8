/** The text of values in cells and in the console, against Node's own. */

import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatValue } from "../../docs/.vitepress/evaluate/format-value.ts";
import { createReferenceBackend, tensor, useBackend } from "../../src/index.ts";

/** Node breaks lines by rules of its own. */
const onOneLine = (text: string): string => text.replace(/\n\s*/g, " ");

const text = fc.string({ unit: fc.constantFrom(..."ab'\"`\\\n\t€ ") });
const leaf = fc.oneof(
  text,
  fc.double(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, Math.max, class Leaf {}, class Stem extends Map {}),
  fc.array(fc.integer(), { maxLength: 6 }).map((values) => Int32Array.from(values)),
  fc.constantFrom(/a+/g, new Date(0)),
);
const key = fc.oneof(fc.constantFrom("a", "b1", "_c", "$d", "e-f"), text);
// Node sets lists of more than six items in columns.
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: "medium" }, leaf, tie("list"), tie("fields"), tie("set"), tie("map")),
  list: fc.array(tie("any"), { maxLength: 6 }),
  fields: fc.dictionary(key, tie("any"), { maxKeys: 4, noNullPrototype: true }),
  set: fc.array(tie("any"), { maxLength: 3 }).map((items) => new Set(items)),
  map: fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 3 }).map((items) => new Map(items)),
})).any;

test("is the text that Node has", () => {
  fc.assert(
    fc.property(value, (each) => {
      expect(onOneLine(formatValue(each, true))).toBe(inspect(each, { breakLength: Number.POSITIVE_INFINITY }));
    }),
  );
});

test("breaks lines as Node does, around what a tensor prints too", () => {
  useBackend(createReferenceBackend());
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  const long = "a name that is rather long, so that two of them do not fit";
  for (const each of [x, [x, x], { x, name: "x" }, { long, other: { long, short: 1 } }, new Map([["x", x]])])
    expect(formatValue(each, true)).toBe(inspect(each));
});

test("ends for values that contain themselves, and for long ones", () => {
  const loop: { self?: object } = {};
  loop.self = loop;
  expect(formatValue(loop)).toBe("{ self: [Circular] }");
  expect(formatValue(new Array(102).fill(0))).toMatch(/^\[ (0, ){100}\.\.\. 2 more items \]$/);
});
