/** Links: every setting survives, and nothing that is not a setting is taken. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../src/core/errors.ts";
import { formatLink, parseLink } from "../../src/playground/permalink.ts";
import { defaultSettings, playgroundRules } from "../../src/playground/settings.ts";
import { choices } from "./choices.ts";

const names = Object.keys(playgroundRules);

/** The settings of a link, or the error's message. Any error but a DataError fails the test. */
function outcome(hash: string): { settings: ReturnType<typeof parseLink> } | { message: string } {
  try {
    return { settings: parseLink(hash) };
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return { message: (error as DataError).message };
  }
}

describe("a link", () => {
  test("gives back the settings that it was made of, through an address", () =>
    fc.assert(
      fc.property(choices, (settings) => {
        const { hash } = new URL(`http://localhost/${formatLink(settings)}`);
        expect(parseLink(hash)).toEqual(settings);
      }),
    ));

  test("is empty for the defaults, and holds only what differs from them", () => {
    expect(formatLink(defaultSettings)).toBe("");
    expect(parseLink("")).toEqual(defaultSettings);
    expect(parseLink("#")).toEqual(defaultSettings);
    expect(formatLink({ ...defaultSettings, seed: 7 })).toBe("#seed=7");
  });

  test("has no order", () =>
    fc.assert(
      fc.property(
        choices.chain((settings) => fc.tuple(fc.constant(settings), fc.shuffledSubarray(names, { minLength: names.length }))),
        ([settings, order]) => {
          const parts = formatLink(settings).slice(1).split("&");
          const shuffled = order.flatMap((name) => parts.filter((part) => part.startsWith(`${name}=`)));
          expect(parseLink(`#${shuffled.join("&")}`)).toEqual(settings);
        },
      ),
    ));
});

describe("a hostile link", () => {
  test("gives settings that every rule allows, or a DataError", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc
            .array(fc.tuple(fc.constantFrom(...names, "__proto__", "constructor", "toString", ""), fc.string()))
            .map((parts) => parts.map(([name, value]) => `${name}=${value}`).join("&")),
          // A link with one character in the place of another.
          fc
            .tuple(choices, fc.nat(), fc.string({ minLength: 1, maxLength: 3 }))
            .map(([settings, at, other]) => formatLink(settings).replace(/./gs, (c, i: number) => (i === 1 + (at % 200) ? other : c))),
        ),
        (hash) => {
          const found = outcome(hash);
          if (!("settings" in found)) return;
          expect(Object.keys(found.settings).sort()).toEqual([...names].sort());
          for (const [name, rule] of Object.entries(playgroundRules))
            expect(rule.accepts(found.settings[name as keyof typeof found.settings]), name).toBe(true);
        },
      ),
      { numRuns: 400 },
    ));

  test.each([
    ["#seed=1&seed=1", /seed must stand once/],
    ["#sed=1", /must name choices/],
    ["#__proto__=1", /must name choices/],
    ["#seed=-1", /seed must be an integer in \[0, 4294967296\)/],
    ["#seed=1e999", /seed must be/],
    ["#seed=", /seed must be/],
    ["#seed", /seed must have one value/],
    ["#train=1e9", /train must be an integer in \[32, 50000\]/],
    ["#a=none", /a must be a built-in convolution/],
    ["#a=./evil.js:Kind_1", /a must be a built-in convolution/],
    ["#data=./pictures", /data must be one of synthetic, cifar10, pictures/],
    ["#changes=c@1:Sep", /changes must be none/],
    ["#changes=a@0:Sep", /changes must be none/],
    [`#changes=${Array.from({ length: 17 }, () => "a@1:Sep").join("%2B")}`, /at most 16/],
    ["#seed=%E0%A4%A", /percent-encoded/],
    [`#a=${"x".repeat(5000)}`, /at most 4096 characters/],
  ])("%s is refused, and the message names what is wrong", (hash, message) =>
    expect(outcome(hash)).toEqual({ message: expect.stringMatching(message) }),
  );
});
