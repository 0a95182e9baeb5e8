/** The links of the labs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import {
  formatState,
  type LabState,
  labelsIn,
  longestEquation,
  orderNames,
  parseState,
} from "../../../src/playground/labs/contraction/contraction-link.ts";
import { programs } from "../../../src/playground/labs/graph-walker/programs.ts";
import { formatPlace, parsePlace } from "../../../src/playground/labs/graph-walker/walker-link.ts";

const states: fc.Arbitrary<LabState> = fc
  .record({
    equation: fc.oneof(
      fc
        .string({ maxLength: longestEquation, unit: "binary" })
        .filter((text) => text.length <= longestEquation && !/[\ud800-\udfff]/.test(text)),
      fc.stringMatching(/^[a-dA-D]{1,4}(,[a-dA-D]{1,4}){0,3}->[a-d]{0,2}$/),
    ),
    order: fc.constantFrom(...orderNames),
    step: fc.integer({ min: 0, max: 99 }),
    seed: fc.array(fc.integer({ min: 1, max: 9999 }), { minLength: 52, maxLength: 52 }),
  })
  .map(({ equation, order, step, seed }) => ({
    equation,
    order,
    step,
    sizes: new Map(labelsIn(equation).map((label, i) => [label, seed[i]!])),
  }));

/** Texts that look like hashes. */
const hostile = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc
    .array(
      fc.tuple(
        fc.constantFrom("equation", "sizes", "order", "step", "graph", "__proto__", "constructor", ""),
        fc.constantFrom("=", "==", ""),
        fc.oneof(
          fc.constantFrom("a,b->ab", "a0b1", "a8", "a8b8", "a8a8", "1e3", "-1", "01", "%", "%ff", "best", "neuron", "999999999999"),
          fc.string({ maxLength: 8 }),
        ),
      ),
      { maxLength: 4 },
    )
    .map((parts) => `#${parts.map((part) => part.join("")).join("&")}`),
);

describe("the contraction lab", () => {
  test("a link gives its state back", () =>
    fc.assert(
      fc.property(states, (state) => {
        expect(parseState(formatState(state))).toEqual(state);
      }),
      { numRuns: 500 },
    ));

  test("any hash is a state that can be written, or refused with a DataError", () =>
    fc.assert(
      fc.property(hostile, (hash) => {
        let state: LabState;
        try {
          state = parseState(hash);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
          expect((error as Error).message).toMatch(/^link: /);
          return;
        }
        expect([...state.sizes.keys()]).toEqual(labelsIn(state.equation));
        for (const size of state.sizes.values()) expect(size >= 1 && size <= 9999 && Number.isInteger(size)).toBe(true);
        expect(parseState(formatState(state))).toEqual(state);
      }),
      { numRuns: 1000 },
    ));

  test.each([
    ["#equation=ab&sizes=a8", "link: sizes must give each of a, b"],
    ["#equation=ab&sizes=a8b8c8", "link: sizes must give each of a, b"],
    ["#equation=ab&sizes=a8b8a9", "got a twice"],
    ["#equation=a&sizes=a0", "link: sizes"],
    ["#equation=a&sizes=a10000", "link: sizes"],
    ["#order=fastest", "link: order must be one of library, left-to-right, best, worst"],
    ["#step=100", "link: step must be an integer in [0, 99]"],
    ["#step=1.5", "link: step must be an integer"],
    ["#step=1&step=1", "link: step must stand once"],
    ["#step", "link: step must have one value"],
    ["#step=1=2", "link: step must have one value"],
    ["#equation=%zz", "percent-encoded"],
    ["#toString=1", "link: must name choices"],
    [`#equation=${"a".repeat(121)}`, "at most 120 characters"],
    [`#equation=${"a".repeat(4097)}`, "at most 4096 characters"],
  ])("%.30s is refused", (hash, message) => expect(() => parseState(hash)).toThrow(message));
});

describe("the graph walker", () => {
  test("a link gives its place back", () =>
    fc.assert(
      fc.property(
        fc.record({ graph: fc.constantFrom(...programs.map(({ name }) => name)), step: fc.integer({ min: 0, max: 999 }) }),
        (place) => {
          expect(parsePlace(formatPlace(place))).toEqual(place);
        },
      ),
    ));

  test("any hash is a place, or refused with a DataError", () =>
    fc.assert(
      fc.property(hostile, (hash) => {
        try {
          const place = parsePlace(hash);
          expect(parsePlace(formatPlace(place))).toEqual(place);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        }
      }),
      { numRuns: 1000 },
    ));

  test.each(["#graph=toString", "#graph=", "#step=1000", "#step=-1", "#equation=ab"])("%s is refused", (hash) =>
    expect(() => parsePlace(hash)).toThrow(/^link: /),
  );
});
