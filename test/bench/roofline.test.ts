/** The roofline of docs/gpu.md: counts of programs whose reads have a closed formula, and the table itself. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { convolutionGeometry } from "../../src/core/convolution-geometry.ts";
import { countLaunch, type LaunchCounts } from "./roofline/count-launch.ts";
import { rooflineMarkdown } from "./roofline/markdown.ts";
import { launchesOf, type Problem } from "./roofline/problems.ts";
import { type Card, rooflineOf } from "./roofline/roofline.ts";

const countsOf = (run: Problem["run"]): LaunchCounts => countLaunch(launchesOf({ name: "test", run })[0]!);

describe("countLaunch", () => {
  test("a thread of a product reads an element of A and four of B for each term, and a workgroup eight rows of A", () =>
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 9 }), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2, max: 9 }), (rows, k, columns) => {
        const [m, n] = [8 * rows, 32 * columns]; // Whole workgroups of 8×8 threads with four columns each.
        const counts = countsOf((kernels, operand) =>
          kernels.matmul(operand([m, k]), operand([k, n]), {
            ...{ batch: 1, m, k, n, transposeA: false, transposeB: false, batchStrideA: 0, batchStrideB: 0 },
          }),
        );
        expect(counts).toMatchObject({ threads: (m * n) / 4, lanes: 4, loads: 5 * k, words: m * k + k * n + m * n });
        expect(counts.sharedLoads).toBeCloseTo((8 * k + 32 * k) / 64, 9);
        // Each index takes three steps. Beside them, the coordinates of a thread take divisions alone.
        expect(counts.indexSteps).toBe(3 * counts.loads);
      }),
      { numRuns: 20 },
    ));

  test("a thread of a convolution without padding reads six columns and three weights for each row of a window", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        (inputs, outputs, quads) => {
          const x = [2, inputs, 9, 4 * quads + 2];
          const w = [outputs, inputs, 3, 3];
          const counts = countsOf((kernels, operand) => kernels.conv2d(operand(x), operand(w), convolutionGeometry("test", x, w)));
          expect(counts).toMatchObject({ threads: 2 * outputs * 7 * quads, lanes: 4, loads: inputs * 3 * (6 + 3) });
        },
      ),
      { numRuns: 20 },
    ));

  test("an elementwise program reads its operands once, at every place", () => {
    const counts = countsOf((kernels, operand) =>
      kernels.binary("add", operand([1000]), operand([1000]), { shape: [1000], stridesA: [1], stridesB: [1] }),
    );
    expect(counts).toMatchObject({ threads: 1000, loads: 2, sharedLoads: 2, words: 3000 });
  });
});

describe("rooflineOf", () => {
  const terms = 64;
  const product: Problem = {
    name: "product",
    multiplyAdds: 256 * terms * 256,
    run: (kernels, operand) =>
      kernels.matmul(operand([256, terms]), operand([terms, 256]), {
        ...{ batch: 1, m: 256, k: terms, n: 256, transposeA: false, transposeB: false, batchStrideA: 0, batchStrideB: 0 },
      }),
  };
  const [threads, loads, multiplyAdds, words] = [256 * 64, 5 * terms, 4 * terms, 2 * 256 * terms + 256 * 256];
  const free: Card = { perLoad: 0, perWord: 0, units: 1 };

  test.each<[bound: string, card: Card, share: number]>([
    ["arithmetic", free, 1],
    ["loads", { ...free, perLoad: 4 }, multiplyAdds / (4 * loads)],
    ["memory", { ...free, perWord: 1000 }, multiplyAdds / ((1000 * words) / threads)],
    ["threads", { ...free, units: 10 * threads }, 1 / 10],
  ])("names %s as the bound where they are the slowest", (bound, card, share) => {
    const row = rooflineOf(product, card)[0]!;
    expect(row.bound).toBe(bound);
    expect(row.share).toBeCloseTo(share, 12);
    expect(row.intensity.loaded).toBeCloseTo((2 * multiplyAdds) / (4 * loads), 12);
    expect(row.intensity.memory).toBeCloseTo((2 * multiplyAdds * threads) / (4 * words), 12);
  });
});

test("docs/gpu.md has the table of the kernels as they are; npx tsx test/bench/roofline/main.ts writes it", () => {
  const page = readFileSync(new URL("../../docs/gpu.md", import.meta.url), "utf8");
  const [, table] = /<!-- roofline: begin -->\s*(.*?)\s*<!-- roofline: end -->/s.exec(page) ?? [];
  expect(table).toBe(rooflineMarkdown());
});
