/** The Pareto front against its definition, and the placement of names in plots. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Box, overlap, placeLabels, spread } from "../../src/report/label-placement.ts";
import { paretoFront } from "../../src/report/pareto-front.ts";

const small = fc.integer({ min: 0, max: 8 });

describe("the Pareto front", () => {
  test("has every point that no other point dominates, by rising cost", () =>
    fc.assert(
      fc.property(fc.array(fc.record({ cost: small, error: small }), { maxLength: 12 }), (points) => {
        const dominated = (p: { cost: number; error: number }): boolean =>
          points.some((q) => q.cost <= p.cost && q.error <= p.error && (q.cost < p.cost || q.error < p.error));
        const kept = points.filter((point) => !dominated(point));
        const distinct = [...new Map(kept.map((point) => [`${point.cost} ${point.error}`, point])).values()];
        expect(paretoFront(points)).toEqual(distinct.toSorted((a, b) => a.cost - b.cost));
      }),
      { numRuns: 500 },
    ));
});

const frame: Box = { x: 0, y: 0, width: 600, height: 400 };
const labels = fc.array(
  fc.record({
    x: fc.integer({ min: 10, max: 590 }),
    y: fc.integer({ min: 10, max: 390 }),
    width: fc.integer({ min: 20, max: 150 }),
    height: fc.constant(14),
  }),
  { minLength: 1, maxLength: 40 },
);

describe("names", () => {
  test("cover neither other names nor points, and stay within the frame", () =>
    fc.assert(
      fc.property(labels, (wanted) => {
        const marks = wanted.map(({ x, y }) => ({ x: x - 7, y: y - 7, width: 14, height: 14 }));
        const placed = placeLabels(wanted, frame, marks);
        expect(placed).toHaveLength(wanted.length);
        const boxes = placed.filter((box) => box !== undefined);
        for (const [i, box] of boxes.entries()) {
          for (const other of [...boxes.slice(i + 1), ...marks]) expect(overlap(box, other)).toBe(false);
          expect(Math.min(box.x, box.y, frame.width - box.x - box.width, frame.height - box.y - box.height)).toBeGreaterThanOrEqual(0);
        }
        for (const [i, box] of placed.entries()) if (box !== undefined) expect(box).toMatchObject({ width: wanted[i]!.width, height: 14 });
      }),
      { numRuns: 200 },
    ));

  test("of twenty points with enough space are all placed", () => {
    const wanted = Array.from({ length: 20 }, (_, i) => ({ x: 60 + 110 * (i % 5), y: 50 + 90 * Math.floor(i / 5), width: 80, height: 14 }));
    expect(placeLabels(wanted, frame, []).every((box) => box !== undefined)).toBe(true);
  });

  test("at the ends of lines keep their order and their distance, and move only where necessary", () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 20 }), (heights) => {
        const moved = spread(heights, 13, 0, 300);
        const order = heights.map((_, i) => i).toSorted((a, b) => heights[a]! - heights[b]!);
        for (const [k, i] of order.entries()) if (k > 0) expect(moved[i]! - moved[order[k - 1]!]!).toBeGreaterThanOrEqual(13 - 1e-9);
        expect(Math.min(...moved)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...moved)).toBeLessThanOrEqual(Math.max(300, 13 * (heights.length - 1)) + 1e-9);
        const apart = order.every((i, k) => k === 0 || heights[i]! - heights[order[k - 1]!]! >= 13);
        if (apart) expect(moved).toEqual(heights);
      }),
    ));
});
