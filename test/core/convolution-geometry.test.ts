import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convolutionGeometry, convolutionMultiplyAdds, outputSize } from "../../src/core/convolution-geometry.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { convolutions, geometryOf, poolings } from "../arbitraries/geometries.ts";

describe("outputSize", () => {
  it("is the number of positions at which the dilated window lies within the padded line", () => {
    const small = fc.integer({ min: 1, max: 4 });
    fc.assert(
      fc.property(fc.nat({ max: 9 }), small, small, fc.nat({ max: 4 }), small, (size, kernel, stride, padding, dilation) => {
        let positions = 0;
        for (let start = -padding; start + dilation * (kernel - 1) < size + padding; start += stride) positions++;
        expect(outputSize(size, kernel, stride, padding, dilation)).toBe(positions);
      }),
    );
  });
});

describe("convolutionGeometry", () => {
  it("contains every size and option, the vertical one before the horizontal one", () => {
    fc.assert(
      fc.property(fc.oneof(convolutions(), poolings()), ({ x, w, options }) => {
        const g = convolutionGeometry("conv2d", x, w, options);
        expect([g.batch, g.inChannels, g.height, g.width]).toEqual(x);
        expect([g.outChannels, g.inChannels / g.groups, g.kernelHeight, g.kernelWidth]).toEqual(w);
        expect([g.strideY, g.strideX]).toEqual(options.stride);
        expect([g.paddingY, g.paddingX]).toEqual(options.padding);
        expect([g.dilationY, g.dilationX]).toEqual(options.dilation);
        expect(g.outHeight).toBe(outputSize(g.height, g.kernelHeight, g.strideY, g.paddingY, g.dilationY));
        expect(g.outWidth).toBe(outputSize(g.width, g.kernelWidth, g.strideX, g.paddingX, g.dilationX));
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
        refuses("conv2d: dilation must be an integer ≥ 1, got 0", x, w, { dilation: 0 });
        refuses(`groups must divide the input and output channels, got groups=0`, x, w, { groups: 0 });
        refuses(`got groups=${channels + 1}, C=${channels}`, x, w, { groups: channels + 1 });
        refuses(`w must have C/groups = ${groupChannels} input channels`, x, [outChannels, groupChannels + 1, ...kernel], {});
        refuses("conv2d: the kernel must be at least 1×1", [batch, channels, ...image], [outChannels, groupChannels, 0, 1], {});
      }),
    );
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
