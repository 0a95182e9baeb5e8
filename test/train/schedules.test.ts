/** Schedules against the learning rates of the reference code, and one-cycle against its shape. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { cosine, multiStep, oneCycle, type Schedule } from "../../src/train/schedules.ts";

/** The learning rates with which the reference PyTorch code trains epoch e. */
const golden = [
  {
    name: "multi-step of the WideResNets",
    schedule: () => multiStep({ base: 0.1, milestones: [60, 120, 160], factor: 0.2 }),
    samples: [
      [0, 0.1],
      [59, 0.1],
      [60, 0.020000000000000004],
      [119, 0.020000000000000004],
      [120, 0.004000000000000001],
      [159, 0.004000000000000001],
      [160, 0.0008000000000000003],
      [199, 0.0008000000000000003],
    ],
  },
  {
    name: "multi-step of ImageNet",
    schedule: () => multiStep({ base: 0.1, milestones: [30, 60], factor: 0.1 }),
    samples: [
      [0, 0.1],
      [29, 0.1],
      [30, 0.010000000000000002],
      [60, 0.0010000000000000002],
      [89, 0.0010000000000000002],
    ],
  },
  {
    name: "cosine of DARTS",
    schedule: () => cosine({ base: 0.025, epochs: 600 }),
    samples: [
      [0, 0.025],
      [1, 0.024999828653092835],
      [150, 0.021338834764831845],
      [300, 0.0125],
      [450, 0.0036611652351681567],
      [599, 1.7134690716569257e-7],
    ],
  },
  {
    name: "cosine of MobileNet",
    schedule: () => cosine({ base: 0.05, epochs: 150 }),
    samples: [
      [0, 0.05],
      [1, 0.04999451708687114],
      [75, 0.025],
      [149, 5.482913128862511e-6],
    ],
  },
] satisfies { name: string; schedule: () => Schedule; samples: [number, number][] }[];

describe.each(golden)("$name", ({ schedule, samples }) => {
  test.each(samples)("epoch %d has rate %d, from its first step to its last", (epoch, rate) => {
    // Near π, 1 + cos cancels. Its error there is a few 1e-16 of the base.
    for (const within of [0, 0.5, 0.999]) expect(Math.abs(schedule()(epoch + within) - rate)).toBeLessThanOrEqual(1e-16 + 1e-14 * rate);
  });
});

test("milestones may come in any order, and past the end cosine stays at 0", () => {
  expect(multiStep({ base: 1, milestones: [20, 10], factor: 0.5 })(15)).toBe(0.5);
  expect(cosine({ base: 1, epochs: 10 })(12)).toBe(0);
});

test("one cycle rises from peak/25 to the peak at the end of the warm-up and falls to almost 0, without a jump", () =>
  fc.assert(
    fc.property(
      fc.double({ min: 1e-3, max: 10, noNaN: true }),
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }),
      (peak, epochs, warmup) => {
        const rate = oneCycle({ peak, epochs, warmup });
        const near = (got: number, wanted: number): void => expect(Math.abs(got - wanted)).toBeLessThanOrEqual(1e-9 * peak);
        near(rate(0), peak / 25);
        near(rate(warmup * epochs), peak);
        near(rate(epochs), peak / 25 / 1e4);
        near(rate(epochs + 1), peak / 25 / 1e4);
        near(rate((warmup * epochs) / 2), (peak + peak / 25) / 2);
        const steps = 1000;
        for (let i = 1; i <= steps; i++) {
          const [before, after] = [rate(((i - 1) / steps) * epochs), rate((i / steps) * epochs)];
          // The steepest slope of half a cosine is π/2 times its mean slope.
          expect(Math.abs(after - before)).toBeLessThanOrEqual(((Math.PI / 2) * peak) / steps / Math.min(warmup, 1 - warmup) + 1e-12);
          if (i / steps < warmup) expect(after).toBeGreaterThanOrEqual(before);
          if ((i - 1) / steps > warmup) expect(after).toBeLessThanOrEqual(before);
        }
      },
    ),
    { numRuns: 30 },
  ));

test.each([
  ["a base of 0", () => cosine({ base: 0, epochs: 1 })],
  ["no epochs", () => cosine({ base: 1, epochs: 0 })],
  ["NaN", () => multiStep({ base: Number.NaN, milestones: [], factor: 0.1 })],
  ["a factor of 0", () => multiStep({ base: 1, milestones: [], factor: 0 })],
  ["a milestone that is NaN", () => multiStep({ base: 1, milestones: [Number.NaN], factor: 0.1 })],
  ["an infinite peak", () => oneCycle({ peak: Infinity, epochs: 1 })],
  ["a warm-up of 0", () => oneCycle({ peak: 1, epochs: 1, warmup: 0 })],
  ["a warm-up of 1", () => oneCycle({ peak: 1, epochs: 1, warmup: 1 })],
])("refuses %s", (_, make) => expect(make).toThrow(ConfigError));
