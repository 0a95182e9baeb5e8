import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convolutionGeometry, convolutionMultiplyAdds, outputSize, type Padding, paddingFor } from "../../src/core/convolution-geometry.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { convolutions, geometryOf, places, poolings } from "../arbitraries/geometries.ts";

describe("outputSize", () => {
  it("is the number of positions at which the dilated window lies within the padded line", () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(
        fc.nat({ max: 9 }),
        small,
        small,
        fc.nat({ max: 4 }),
        fc.nat({ max: 4 }),
        small,
        (size, kernel, stride, before, after, dilation) => {
          let positions = 0;
          for (let start = -before; start + dilation * (kernel - 1) < size + after; start += stride) positions++;
          expect(outputSize({ size, kernel, stride, dilation }, before + after)).toBe(positions);
        },
      ),
    );
  });
});

describe("paddingFor", () => {
  it("is the least padding with which so many windows fit", () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(fc.nat({ max: 9 }), small, small, small, fc.nat({ max: 6 }), (size, kernel, stride, dilation, count) => {
        let padding = 0;
        while (places(size, kernel, stride, dilation, padding) < count) padding++;
        expect(paddingFor({ size, kernel, stride, dilation }, count)).toBe(padding);
      }),
    );
  });
});

describe("convolutionGeometry", () => {
  it("contains every size and option, the vertical one before the horizontal one", () => {
    fc.assert(
      fc.property(fc.oneof(convolutions(), poolings()), ({ x, w, options, sides }) => {
        const g = convolutionGeometry("conv2d", x, w, options);
        expect([g.batch, g.inChannels, g.height, g.width]).toEqual(x);
        expect([g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth]).toEqual(w);
        expect([g.strideY, g.strideX]).toEqual(options.stride);
        expect([g.paddingY, g.paddingX]).toEqual([sides.top, sides.left]);
        expect([g.dilationY, g.dilationX]).toEqual(options.dilation);
        expect(g.outHeight).toBe(places(g.height, g.kernelHeight, g.strideY, g.dilationY, sides.top + sides.bottom));
        expect(g.outWidth).toBe(places(g.width, g.kernelWidth, g.strideX, g.dilationX, sides.left + sides.right));
      }),
    );
  });

  it("takes one number for both axes, and defaults to stride 1, padding 0, dilation 1 and one group", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), (n) => {
        const pair = [n, n] as const;
        const [x, w] = [
          [1, 1, 9, 9],
          [1, 1, 2, 3],
        ];
        expect(convolutionGeometry("conv2d", x!, w!, { stride: n, padding: n, dilation: n })).toEqual(
          convolutionGeometry("conv2d", x!, w!, { stride: pair, padding: pair, dilation: pair, groups: 1 }),
        );
        expect(convolutionGeometry("conv2d", x!, w!)).toEqual(
          convolutionGeometry("conv2d", x!, w!, { stride: 1, padding: 0, dilation: 1, groups: 1 }),
        );
      }),
    );
  });

  it("refuses what does not fit, naming the rule and the values", () => {
    fc.assert(
      fc.property(convolutions({ empty: false }), ({ x, w, options }) => {
        const refuses = (message: string, xShape: readonly number[], wShape: readonly number[], changed: object): void => {
          const make = (): unknown => convolutionGeometry("conv2d", xShape, wShape, { ...options, ...changed });
          expect(make).toThrow(ShapeError);
          expect(make).toThrow(message);
        };
        const [batch, channels, ...image] = x;
        const [outChannels, groupChannels, ...kernel] = w;
        refuses("needs x:[N,C,H,W]", x.slice(1), w, {});
        refuses("needs x:[N,C,H,W]", x, [...w, 1], {});
        refuses("conv2d: stride must be an integer ≥ 1, got 0", x, w, { stride: 0 });
        refuses("conv2d: stride must be an integer ≥ 1, got 1.5", x, w, { stride: [1, 1.5] });
        refuses("conv2d: padding must be an integer ≥ 0, got -1", x, w, { padding: [-1, 0] });
        refuses("conv2d: padding.left must be an integer ≥ 0, got 0.5", x, w, { padding: { top: 0, left: 0.5, bottom: 0, right: 0 } });
        refuses("conv2d: padding.right must be an integer ≥ 0, got undefined", x, w, { padding: { top: 0, left: 0, bottom: 0 } });
        refuses('{ top, left, bottom, right } or "same", got "valid"', x, w, { padding: "valid" });
        refuses(
          `conv2d: the window must not be larger than the padded image, got a window of ${image[0]! + 3}×1 pixels`,
          x,
          [outChannels, groupChannels, image[0]! + 3, 1],
          { padding: 1, dilation: 1 },
        );
        refuses("conv2d: dilation must be an integer ≥ 1, got 0", x, w, { dilation: 0 });
        refuses(`groups must divide the input and output channels, got groups=0`, x, w, { groups: 0 });
        refuses(`got groups=${channels + 1}, C=${channels}`, x, w, { groups: channels + 1 });
        refuses(`w must have C/groups = ${groupChannels} input channels`, x, [outChannels, groupChannels + 1, ...kernel], {});
        refuses("conv2d: the kernel must be at least 1×1", [batch, channels, ...image], [outChannels, groupChannels, 0, 1], {});
      }),
    );
  });
});

describe("padding", () => {
  const size = (padding: Padding, stride = 1, kernel = [3, 3]): number[] => {
    const { outHeight, outWidth, paddingY, paddingX } = convolutionGeometry("conv2d", [1, 1, 7, 8], [1, 1, ...kernel], { padding, stride });
    return [outHeight, outWidth, paddingY, paddingX];
  };

  it("has one meaning in its four forms", () => {
    expect(size(1)).toEqual([7, 8, 1, 1]);
    expect(size([1, 1])).toEqual(size(1));
    expect(size({ top: 1, left: 1, bottom: 1, right: 1 })).toEqual(size(1));
    expect(size("same")).toEqual(size(1));
    expect(size({ top: 2, left: 0, bottom: 0, right: 3 })).toEqual([7, 9, 2, 0]);
  });

  it('"same" gives ⌈size/stride⌉, with the odd pixel below and to the right', () => {
    expect(size("same", 1, [2, 4])).toEqual([7, 8, 0, 1]);
    expect(size("same", 2)).toEqual([4, 4, 1, 0]);
    expect(size("same", 3, [1, 1])).toEqual([3, 3, 0, 0]);
  });
});

describe("convolutionMultiplyAdds", () => {
  it("is the number of taps of all outputs", () => {
    fc.assert(
      fc.property(convolutions({ maxSize: 5 }), (config) => {
        const g = geometryOf(config);
        let count = 0;
        for (let output = 0; output < g.batch * g.outChannels * g.outHeight * g.outWidth; output++)
          for (let c = 0; c < g.inChannels / g.groups; c++) for (let tap = 0; tap < g.kernelHeight * g.kernelWidth; tap++) count++;
        expect(convolutionMultiplyAdds(g)).toBe(count);
      }),
    );
  });
});
