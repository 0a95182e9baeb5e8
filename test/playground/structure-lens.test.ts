/** The structure lens: a matrix that has a structure is found in it, and the figures are those of the map. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, memory } from "../../src/backend/active.ts";
import { lookThrough } from "../../src/playground/labs/structure-lens/lens.ts";
import { targets } from "../../src/playground/labs/structure-lens/targets.ts";

beforeAll(() => initBackend(["reference"]));
afterAll(() => disposeBackend());

const side = 64;
const look = (name: string, conv: string) =>
  lookThrough({ id: 1, target: targets.find((target) => target.name === name)!.entries(side), side, conv, columns: 4 });

describe("lookThrough", () => {
  test.each([
    ["kronecker", "Kronecker_1"],
    ["smooth", "Sep"],
    ["random", "Sep"],
    ["smooth", "Generic_0.5"],
  ])("the matrix %s is kept by %s up to rounding", async (name, conv) => {
    // Float32, and for the blur, singular values beyond the 32nd that are smaller than its rounding.
    expect((await look(name, conv)).error).toBeLessThan(1e-6);
  });

  test("a random matrix loses √(1 − Σ of the kept squares) to a low rank", async () => {
    const { error, singularValues, parameters } = await look("random", "Generic_0.2");
    const rank = parameters / (2 * side);
    const [all] = singularValues;
    const square = (values: Float64Array): number => values.reduce((sum, value) => sum + value * value, 0);
    // Eckart–Young: the nearest matrix of a rank keeps the largest singular values.
    expect(error).toBeCloseTo(Math.sqrt(1 - square(all.slice(0, rank)) / square(all)), 5);
  });

  test("the cosine transform is orthogonal", async () => {
    const [own] = (await look("cosine", "Sep")).singularValues;
    for (const value of own) expect(value).toBeCloseTo(1, 12);
  });

  test("times each way that the map has, and leaves no tensor behind", async () => {
    const before = memory().storages;
    const structured = await look("smooth", "TensorTrain_0.5");
    expect(structured.ways.map(({ path }) => path)).toEqual(["factorized", "dense"]);
    expect((await look("smooth", "Sep")).ways.map(({ path }) => path)).toEqual(["dense"]);
    for (const { milliseconds, multiplyAdds } of structured.ways) expect(Math.min(milliseconds, multiplyAdds)).toBeGreaterThan(0);
    expect(memory().storages).toBe(before);
  });
});
