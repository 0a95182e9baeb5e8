import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { geometryOf, poolings } from "../../arbitraries/geometries.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { float64, numbers, reference } from "./run-kernels.ts";

describe("maxPool2d", () => {
  it("takes the first of the largest elements of each window, and −∞ at −1 for a window without elements", () => {
    fc.assert(
      fc.property(seeds, poolings(), (seed, config) => {
        const g = geometryOf(config);
        const x = valuesOf(seed, g.batch * g.inChannels * g.height * g.width, "integers");
        const within = (size: number, start: number, kernel: number, dilation: number): number[] =>
          Array.from({ length: kernel }, (_, k) => start + k * dilation).filter((at) => at >= 0 && at < size);
        const expected: { value: number; index: number }[] = [];
        for (let plane = 0; plane < g.batch * g.inChannels; plane++)
          for (let y = 0; y < g.outHeight; y++)
            for (let column = 0; column < g.outWidth; column++) {
              const rows = within(g.height, y * g.strideY - g.paddingY, g.kernelHeight, g.dilationY);
              const columns = within(g.width, column * g.strideX - g.paddingX, g.kernelWidth, g.dilationX);
              const places = rows.flatMap((row) => columns.map((at) => plane * g.height * g.width + row * g.width + at));
              const value = Math.max(...places.map((place) => x[place]!));
              expected.push({ value, index: places.find((place) => x[place] === value) ?? -1 });
            }
        const { values, indices } = reference.maxPool2d(float64(x), g);
        expect(numbers(values).map((value) => value + 0)).toEqual(expected.map(({ value }) => value + 0));
        expect(numbers(indices)).toEqual(expected.map(({ index }) => index));
        expect(indices.dtype).toBe("int32");
      }),
    );
  });

  it("gives NaN for a window with NaN, and the first −∞ for a window of −∞", () => {
    const geometry = geometryOf({ x: [1, 1, 2, 2], w: [1, 1, 2, 2], options: { stride: 1, padding: 0, dilation: 1, groups: 1 } });
    const pool = (x: number[]): number[][] => {
      const { values, indices } = reference.maxPool2d(float64(x), geometry);
      return [numbers(values), numbers(indices)];
    };
    expect(pool([1, Number.NaN, Number.NaN, 9])).toEqual([[Number.NaN], [1]]);
    expect(pool([-Infinity, -Infinity, -Infinity, -Infinity])).toEqual([[-Infinity], [0]]);
  });
});
