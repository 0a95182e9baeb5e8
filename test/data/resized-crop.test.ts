import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/core/random.ts";
import { randomRegion } from "../../src/data/resized-crop.ts";
import { seeds } from "./arbitraries.ts";

const side = fc.integer({ min: 1, max: 600 });

describe("randomRegion", () => {
  it("lies inside the image", () => {
    fc.assert(
      fc.property(side, side, seeds, (width, height, seed) => {
        const region = randomRegion(width, height, new Random(seed));
        expect(Object.values(region).every(Number.isInteger)).toBe(true);
        expect(region.left).toBeGreaterThanOrEqual(0);
        expect(region.top).toBeGreaterThanOrEqual(0);
        expect(region.width).toBeGreaterThanOrEqual(1);
        expect(region.height).toBeGreaterThanOrEqual(1);
        expect(region.left + region.width).toBeLessThanOrEqual(width);
        expect(region.top + region.height).toBeLessThanOrEqual(height);
      }),
    );
  });

  it("has 8 to 100 % of the area and an aspect from 3/4 to 4/3, up to the rounding of its sides", () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 600 }), seeds, fc.double({ min: 0.8, max: 1.25, noNaN: true }), (width, seed, ratio) => {
        const height = Math.round(width * ratio);
        const region = randomRegion(width, height, new Random(seed));
        // Each side is within half a pixel of √(area · aspect), which is at least √(0.08 · 100 · 80 · 3/4) = 21 pixels.
        const slack = 1 + 0.5 / 21;
        const share = (region.width * region.height) / (width * height);
        expect(share).toBeGreaterThanOrEqual(0.08 / slack ** 2);
        expect(share).toBeLessThanOrEqual(1);
        expect(region.width / region.height).toBeGreaterThanOrEqual(3 / 4 / slack ** 2);
        expect(region.width / region.height).toBeLessThanOrEqual((4 / 3) * slack ** 2);
      }),
    );
  });

  it("has an area that is uniform, and an aspect whose logarithm is symmetric", () => {
    // Parts that do not fit are drawn again, which happens to large ones more often. So the shares below 0.5, where every aspect fits into
    // a square, are counted: uniform shares have half of them below 0.29.
    const [draws, random] = [4000, new Random(7)];
    const regions = Array.from({ length: draws }, () => randomRegion(1000, 1000, random));
    const small = regions.map(({ width, height }) => (width * height) / 1e6).filter((share) => share < 0.5);
    const below = small.filter((share) => share < 0.29).length / small.length;
    // Five standard deviations of a share of ½ among that many draws.
    expect(Math.abs(below - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(small.length));
    const wide = regions.filter(({ width, height }) => width > height).length / draws;
    expect(Math.abs(wide - 0.5)).toBeLessThan((5 * 0.5) / Math.sqrt(draws));
  });

  it.each([
    [1000, 10, { left: 493, top: 0, width: 13, height: 10 }],
    [10, 1000, { left: 0, top: 493, width: 10, height: 13 }],
  ])("is the largest part in the middle of %i×%i pixels, into which no drawn part fits", (width, height, expected) => {
    expect(randomRegion(width, height, new Random(0))).toEqual(expected);
  });
});
