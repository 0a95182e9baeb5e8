/** The lab of broken gradients: right texts are right, and of every wrong text the counterexample shrinks. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, memory } from "../../src/backend/active.ts";
import { checkSource } from "../../src/playground/labs/break-gradient/check.ts";
import { exercises } from "../../src/playground/labs/break-gradient/exercises.ts";
import { worstElement } from "../../src/playground/labs/break-gradient/verdict.ts";

beforeAll(() => initBackend(["reference"]));
afterAll(() => disposeBackend());

describe.each(exercises)("$title", (exercise) => {
  test("its VJP is right, and leaves no tensor behind", async () => {
    const before = memory().storages;
    expect(await checkSource(exercise, exercise.source, 1)).toEqual({ kind: "right", runs: 100 });
    expect(memory().storages).toBe(before);
  });

  test.each(exercise.faults)("to $label is found, and shrunk to an input of no more than two rows and columns", async ({ from, to }) => {
    expect(exercise.source).toContain(from);
    const verdict = await checkSource(exercise, exercise.source.replace(from, to), 1);
    if (verdict.kind !== "wrong") throw new Error(`must be wrong, got ${verdict.kind}`);
    const smallest = verdict.path.at(-1)!;
    expect(smallest.rows * smallest.columns).toBeLessThanOrEqual(4);
    const size = ({ x, g }: typeof smallest): number => [...x, ...g].reduce((total, value) => total + Math.abs(value), 0);
    for (const found of verdict.path) expect(size(smallest)).toBeLessThanOrEqual(size(found) + 1e-12);
    const worst = worstElement(smallest);
    expect(Math.abs(Number(smallest.got[worst]) - smallest.expected[worst]!)).toBeGreaterThan(1e-6);
  });
});

describe("a text", () => {
  const [swish] = exercises as [(typeof exercises)[number]];
  test.each([
    ["return g +;", "unreadable"],
    ["return 3;", "wrong"],
    ["return sum(g);", "wrong"],
    ["return nonsense(x);", "wrong"],
    ["return globalThis.nothing.there;", "wrong"],
  ])("%s is %s", async (source, kind) => expect(await checkSource(swish, source, 1)).toMatchObject({ kind }));

  test("that returns another shape is told so", async () => {
    const verdict = await checkSource(swish, "return sum(g);", 1);
    expect(verdict.kind === "wrong" && verdict.path.at(-1)).toMatchObject({
      got: expect.stringMatching(/^must return the shape of x, \[\d,\d\], got \[\]$/),
    });
  });
});
