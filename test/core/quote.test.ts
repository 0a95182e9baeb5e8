/** Foreign values in messages: what is quoted is short, and acts on no terminal. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quote, visible } from "../../src/core/quote.ts";

/** What may act on a terminal, by code point: C0, DEL, C1, and the marks that change the direction or the lines of a text. */
const acts = (text: string): boolean =>
  [...text].some((character) => {
    const code = character.codePointAt(0)!;
    return code < 32 || (code >= 127 && code < 160) || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e);
  });

const anyText = fc.string({ unit: "binary", maxLength: 300 });
const length = fc.integer({ min: 8, max: 200 });

describe("quote", () => {
  it("has at most the length that is asked for, and no character that acts on a terminal", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything({ maxDepth: 8 }), anyText), length, (value, limit) => {
        const quoted = quote(value, limit);
        expect(quoted.length).toBeLessThanOrEqual(limit);
        expect(acts(quoted)).toBe(false);
      }),
    );
  });

  it("is the JSON of a short value", () => {
    const shallow = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null));
    fc.assert(
      fc.property(fc.oneof(shallow, fc.array(shallow, { maxLength: 4 }), fc.dictionary(fc.string(), shallow, { maxKeys: 4 })), (value) => {
        expect(quote(value, 10_000)).toBe(JSON.stringify(value));
      }),
    );
  });

  it("quotes a value that is nested a million times, and one of a hundred megabytes", () => {
    let deep: unknown = [];
    for (let i = 0; i < 1_000_000; i++) deep = [deep];
    expect(quote(deep)).toBe("[[[[[…]]]]]");
    expect(quote("x".repeat(100_000_000))).toBe(`"${"x".repeat(77)}…"`);
    expect(quote(Array.from({ length: 1_000_000 }, () => 7)).length).toBeLessThanOrEqual(80);
  });

  it("reads no more of a long list than it shows", () => {
    let reads = 0;
    const list = new Proxy(new Array<number>(1_000_000).fill(7), {
      get: (target, name) => {
        if (/^\d+$/.test(String(name))) reads++;
        return Reflect.get(target, name);
      },
    });
    expect(quote(list)).toMatch(/^\[7,7,/);
    expect(reads).toBeLessThan(80);
  });

  it.each([
    [undefined, "undefined"],
    [Number.NaN, "NaN"],
    [-0, "-0"],
    [10n, "10n"],
    [new Map(), "[object Map]"],
    ["\u001b[31mred\u202e", '"\\u001b[31mred\\u202e"'],
    [{ a: [1, "b"] }, '{"a":[1,"b"]}'],
  ])("quotes %p", (value, text) => {
    expect(quote(value)).toBe(text);
  });
});

describe("visible", () => {
  it("has at most the length that is asked for, and no character that acts on a terminal", () => {
    fc.assert(
      fc.property(anyText, length, (text, limit) => {
        const shown = visible(text, limit);
        expect(shown.length).toBeLessThanOrEqual(limit);
        expect(acts(shown)).toBe(false);
      }),
    );
  });

  it("leaves a text of ordinary characters as it is", () => {
    expect(visible("runs/größe/🙂.json")).toBe("runs/größe/🙂.json");
    expect(visible("a\nb\u0007")).toBe("a\\u000ab\\u0007");
  });
});
