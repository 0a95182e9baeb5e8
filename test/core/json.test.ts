import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { parseJson, repeatedKey } from "../../src/core/json.ts";

describe("parseJson", () => {
  test("reads JSON with and without a byte-order mark", () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.boolean(), (value, marked) => {
        const text = JSON.stringify(value);
        expect(parseJson(marked ? `\ufeff${text}` : text, "x")).toEqual(JSON.parse(text));
      }),
    ));

  test("says what a file is that is no JSON", () => {
    expect(() => parseJson('{"a": ', "run: a/config.json")).toThrow(DataError);
    expect(() => parseJson('{"a": ', "run: a/config.json")).toThrow(/^run: a\/config\.json must be JSON, got .+; the file is damaged/);
    expect(() => parseJson("<!doctype html><p>404", "x")).toThrow("x must be JSON, got an HTML page; download the file itself");
    expect(() => parseJson("version https://git-lfs.github.com/spec/v1\n", "x")).toThrow("got a Git LFS pointer");
    expect(() => parseJson("", "x")).toThrow("got an empty file");
  });

  const message = (text: string): string => {
    try {
      parseJson(text, "x");
    } catch (error) {
      expect((error as Error).cause).toBe(undefined);
      return (error as Error).message;
    }
    return "";
  };

  test("quotes nothing of a text that is no JSON, because its path may lead to a secret", () => {
    for (const text of ["root:x:0:0:root", '"root:x:0', '{"a": root:x:0:0}', "-----BEGIN ROOT KEY"])
      expect(message(text)).toMatch(/^x must be JSON, got (a mistake in line 1, column \d+|a text that ends too early); /);
  });

  test("says the line and the column of the first mistake", () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4), fc.nat(), (value, indent, choice) => {
        const text = JSON.stringify([value], null, indent);
        // Outside of strings, numbers and words, a mistake has one place.
        const places = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]/g)]
          .filter(([token]) => !token.startsWith('"'))
          .map(({ index }) => index);
        const at = places[choice % places.length]!;
        const before = text.slice(0, at).split("\n");
        expect(message(`${text.slice(0, at)}@${text.slice(at)}`)).toContain(
          `a mistake in line ${before.length}, column ${before.at(-1)!.length + 1};`,
        );
      }),
    ));
});

describe("repeatedKey", () => {
  test("finds nothing in a text that has each key of an object once", () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
        expect(repeatedKey(JSON.stringify(value, null, indent))).toBe(undefined);
      }),
    ));

  test("finds a key that an object has twice, however it is written and wherever the object is", () =>
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.jsonValue(), fc.boolean(), (key, a, b, escaped) => {
        const written = JSON.stringify(key);
        const again = escaped
          ? `"${[...key].map((c) => [...Array(c.length)].map((_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")).join("")}"`
          : written;
        const text = `[{"outer": {${written}: ${JSON.stringify(a)} , ${again}\n:${JSON.stringify(b)}}}]`;
        expect(JSON.parse(text)[0].outer).toEqual({ [key]: JSON.parse(JSON.stringify(b)) });
        expect(repeatedKey(text)).toBe(key);
      }),
    ));

  test("takes linear time, for long and for deeply nested texts", () => {
    const long = `{${Array.from({ length: 200_000 }, (_, i) => `"key${i}":["${i}",{"a":1}]`).join(",")}}`;
    expect(repeatedKey(long)).toBe(undefined);
    const deep = `${"[".repeat(100_000)}{"a":1,"a":2}${"]".repeat(100_000)}`;
    expect(repeatedKey(deep)).toBe("a");
  });
});
