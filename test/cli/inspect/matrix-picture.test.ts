import fc from "fast-check";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { sizeOf } from "../../../src/core/shape.ts";
import { colourOf, drawMatrix, gridOf } from "../../../src/inspect/matrix-picture.ts";
import { eachDot, letterHeight, textWidth } from "../../../src/inspect/pixel-letters.ts";
import { normalValues } from "../../linalg/support.ts";

const shapes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

describe("gridOf", () => {
  test("has room for every number, and no empty row of blocks", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          shapes,
          fc.integer({ min: 1, max: 5000 }).map((length) => [length]),
        ),
        (shape) => {
          const { rows, columns, down, across } = gridOf(shape);
          expect(rows * columns * down * across).toBeGreaterThanOrEqual(sizeOf(shape));
          expect(rows * columns * (down - 1) * across).toBeLessThan(sizeOf(shape));
        },
      ),
    ));

  test("keeps a matrix as it is, and the last two axes of a core", () => {
    expect(gridOf([64, 16, 1, 1])).toEqual({ rows: 64, columns: 16, down: 1, across: 1 });
    expect(gridOf([8, 16, 8])).toEqual({ rows: 16, columns: 8, down: 2, across: 4 });
  });
});

describe("drawMatrix", () => {
  test("paints every number of the matrix in its colour, in its place", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }), fc.nat({ max: 1000 }), (rows, columns, seed) => {
        const data = normalValues(rows * columns, seed);
        const factor = { name: "f", shape: [3, 2, 2], data: normalValues(12, seed + 1) };
        const { width, height, data: pixels, channels } = decode(drawMatrix({ name: "W", shape: [rows, columns], data }, [factor]));
        expect([channels, pixels.length]).toEqual([3, width * height * 3]);
        const top = Math.max(...data.map(Math.abs));
        const zoom = Math.max(1, Math.min(24, Math.floor(448 / Math.max(rows, columns))));
        // 16 pixels of margin, two lines of 16 with captions, and a frame.
        for (const [at, value] of data.entries()) {
          const x = 17 + (at % columns) * zoom + Math.floor(zoom / 2);
          const y = 16 + 2 * 16 + 1 + Math.floor(at / columns) * zoom + Math.floor(zoom / 2);
          expect([...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]).toEqual(colourOf(value / top));
        }
      }),
      { numRuns: 20 },
    ));

  test("draws a matrix of zeros white", () => {
    const { data, width } = decode(drawMatrix({ name: "W", shape: [2, 2], data: new Float64Array(4) }, []));
    expect([...data.subarray(((16 + 33 + 5) * width + 22) * 3, ((16 + 33 + 5) * width + 22) * 3 + 3)]).toEqual([255, 255, 255]);
  });
});

test("colours run from blue by white to red, and stop at the ends", () => {
  expect(colourOf(0)).toEqual([255, 255, 255]);
  expect(colourOf(7)).toEqual(colourOf(1));
  expect(colourOf(-7)).toEqual(colourOf(-1));
  const [red, , blue] = colourOf(1);
  expect(red).toBeGreaterThan(blue);
});

test("letters stay in their box, and tell each other apart", () => {
  const dotsOf = (text: string): string => {
    const dots: string[] = [];
    eachDot(text, (x, y) => {
      expect(x).toBeLessThan(textWidth(text));
      expect(y).toBeLessThan(letterHeight);
      dots.push(`${x},${y}`);
    });
    return dots.join(" ");
  };
  const letters = [..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ×_.,±-=[]"];
  // S and 5, O and 0, B and 8 differ too.
  expect(new Set(letters.map(dotsOf)).size).toBe(letters.length);
  expect(dotsOf("weight")).toBe(dotsOf("WEIGHT"));
});
