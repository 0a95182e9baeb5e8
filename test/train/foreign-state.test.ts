/** The prefixes of PyTorch's wrappers are removed from the names of a state dict, a bounded number of times. */

import { expect, test } from "vitest";
import { withoutWrapperPrefixes } from "../../src/train/foreign-state.ts";

const value = { shape: [], data: Float32Array.of(1) };

test("prefixes that all names share are removed, each with a note", () => {
  const { values, notes } = withoutWrapperPrefixes(
    "a",
    new Map([
      ["module._orig_mod.x", value],
      ["module._orig_mod.module.y", value],
    ]),
  );
  expect([...values.keys()]).toEqual(["x", "module.y"]);
  expect(notes).toHaveLength(2);
});

test("a name that repeats a prefix a million times is shortened eight times, in no more than eight passes", () => {
  const { values, notes } = withoutWrapperPrefixes("a", new Map([["module.".repeat(1_000_000), value]]));
  expect(notes).toHaveLength(8);
  expect([...values.keys()][0]!.length).toBe(7 * 999_992);
});
