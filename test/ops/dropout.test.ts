/** Dropout: kept elements are scaled, the rate decides how many are dropped, and the seed decides which ones. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { ones, tensor } from "../../src/ops/creation.ts";
import { dropout, dropPath } from "../../src/ops/dropout.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues, toArray } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

describe.each([
  ["dropout", dropout],
  ["dropPath", dropPath],
])("%s", (_, op) => {
  test("gives 0 or x/(1 − rate), as the seed decides", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.double({ min: 0, max: 0.9, noNaN: true }), async (seed, rate) => {
        const x = sampleTensor([4, 3, 2], seed, 0.5, 2);
        const run = async (): Promise<number[]> => [...(await op(x, rate, { training: true, random: new Random(seed) }).data())];
        const [values, y] = [[...(await x.data())], await run()];
        for (const [i, v] of y.entries()) expect(v === 0 || Math.abs(v - values[i]! / (1 - rate)) < 1e-12).toBe(true);
        expect(await run()).toEqual(y);
      }),
      { numRuns: 30 },
    ));

  test("drops the fraction `rate`, within 5 standard errors of 20,000 draws", async () => {
    for (const rate of [0.1, 0.5, 0.8]) {
      const y = await op(ones([20_000, 1]), rate, { training: true, random: new Random(11) }).data();
      const dropped = y.filter((v) => v === 0).length / y.length;
      expect(Math.abs(dropped - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / y.length));
    }
  });

  test("in evaluation and at rate 0, gives a new tensor with the values of x and draws nothing", async () => {
    const random = new Random(3);
    const before = random.state;
    for (const [rate, training] of [
      [0.5, false],
      [0, true],
    ] as const) {
      const x = tensor([1, 2]);
      const y = op(x, rate, { training, random });
      x.dispose();
      expectValues(await y.data(), [1, 2]);
    }
    expect(random.state).toEqual(before);
  });

  test.each([-0.1, 1, Number.NaN])("refuses rate %d", (rate) =>
    expect(() => op(ones([2]), rate, { training: true, random: new Random(0) })).toThrow(ConfigError),
  );

  test("refuses training without a random stream", () =>
    expect(() => op(ones([2]), 0.5, { training: true })).toThrow("needs a random stream"));
});

test("dropPath drops whole samples", async () => {
  const y = await toArray(dropPath(ones([50, 2, 3]), 0.5, { training: true, random: new Random(1) }));
  const samples = Array.from({ length: 50 }, (_, n) => new Set(y.values.slice(n * 6, n * 6 + 6)));
  expect(samples.every((values) => values.size === 1)).toBe(true);
  expect(new Set(samples.flatMap((values) => [...values]))).toEqual(new Set([0, 2]));
});
