/** Pictures of matrices: every number has its colour in its place, and the labels fit. */

import fc from "fast-check";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { sizeOf } from "../../src/core/shape.ts";
import { colourOf, drawMatrix, gridOf, pixelsOf } from "../../src/inspect/matrix-picture.ts";
import { loadRasteriser } from "../../src/report/node/rasterise.ts";
import { normalValues } from "../linalg/support.ts";

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

describe("pixelsOf", () => {
  test("paints every number of a matrix in its colour, in its place", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat({ max: 1000 }),
        (rows, columns, zoom, seed) => {
          const data = normalValues(rows * columns, seed);
          const scale = Math.max(...data.map(Math.abs));
          const {
            width,
            height,
            data: pixels,
          } = pixelsOf({ name: "W", shape: [rows, columns], data }, { rows, columns, down: 1, across: 1 }, zoom, scale);
          expect([width, height, pixels.length]).toEqual([columns * zoom + 2, rows * zoom + 2, width * height * 3]);
          for (const [at, value] of data.entries())
            for (const corner of [0, zoom - 1]) {
              const x = 1 + (at % columns) * zoom + corner;
              const y = 1 + Math.floor(at / columns) * zoom + corner;
              expect([...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]).toEqual(colourOf(value / scale));
            }
        },
      ),
      { numRuns: 30 },
    ));

  test("separates the blocks of a core, and leaves the place of a missing block white", () => {
    const values = { name: "G", shape: [3, 2, 2], data: new Float64Array(12).fill(1) };
    const { width, data } = pixelsOf(values, { rows: 2, columns: 2, down: 2, across: 2 }, 1, 1);
    const at = (x: number, y: number): number[] => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
    // Each block is 2 × 2 pixels in a frame of one pixel; blocks are 5 pixels apart.
    expect([at(1, 1), at(6, 1), at(1, 6)]).toEqual([colourOf(1), colourOf(1), colourOf(1)]);
    expect([at(0, 0), at(6, 6)]).toEqual([
      [170, 170, 170],
      [255, 255, 255],
    ]);
  });
});

describe("drawMatrix", () => {
  const whole = { name: "W", shape: [5, 3], data: normalValues(15, 1) };
  const factor = { name: "weight_core_0", shape: [3, 2, 2], data: normalValues(12, 2) };

  test("has a title, and names each tensor with its shape and the ends of its colour scale", () => {
    const svg = drawMatrix("TensorTrain_0.5 <of & a> layer", whole, [factor]);
    expect(svg).toContain("TensorTrain_0.5 &lt;of &amp; a&gt; layer");
    for (const { name, shape, data } of [whole, factor]) {
      expect(svg).toContain(`>${name}  [${shape.join(", ")}]<`);
      const top = Number(Math.max(...data.map(Math.abs)).toPrecision(2));
      expect(svg).toContain(`>−${top}<`);
      expect(svg).toContain(`>+${top}<`);
    }
  });

  test("embeds the pixels of each tensor", () => {
    const svg = drawMatrix("t", whole, [factor]);
    const images = [...svg.matchAll(/href="data:image\/png;base64,([^"]+)"/g)].map(([, data]) => decode(Buffer.from(data!, "base64")));
    expect(images).toHaveLength(2);
    expect([images[0]!.width, images[0]!.height]).toEqual([3 * 24 + 2, 5 * 24 + 2]);
  });

  test("becomes a PNG with the text in it, whatever fonts are installed", async () => {
    const rasterise = await loadRasteriser("report");
    const svg = drawMatrix("t", whole, [factor]);
    const dark = (png: Uint8Array): number => {
      const { data, channels } = decode(png);
      let count = 0;
      for (let at = 0; at < data.length; at += channels) if (data[at]! < 60 && data[at + 1]! < 60 && data[at + 2]! < 60) count++;
      return count;
    };
    expect(dark(rasterise(svg, 800))).toBeGreaterThan(dark(rasterise(svg.replaceAll(/<text.*?<\/text>/g, ""), 800)) + 100);
  });

  test("draws a matrix of zeros white", () => {
    const { data, width } = pixelsOf(
      { name: "W", shape: [2, 2], data: new Float64Array(4) },
      { rows: 2, columns: 2, down: 1, across: 1 },
      3,
      1,
    );
    expect([...data.subarray((width + 1) * 3, (width + 1) * 3 + 3)]).toEqual([255, 255, 255]);
    expect(drawMatrix("zeros", { name: "W", shape: [2, 2], data: new Float64Array(4) }, [])).toContain(">+0<");
  });
});

test("colours run from blue by white to red, and stop at the ends", () => {
  expect(colourOf(0)).toEqual([255, 255, 255]);
  expect(colourOf(7)).toEqual(colourOf(1));
  expect(colourOf(-7)).toEqual(colourOf(-1));
  const [red, , blue] = colourOf(1);
  expect(red).toBeGreaterThan(blue);
});
