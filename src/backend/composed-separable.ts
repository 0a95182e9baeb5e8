/**
 * The separable convolution composed of convolutions, and with a norm before it composed of both. The reference computes them so, devices
 * compute the first one so, and fast kernels are compared with them.
 */

import { mapGeometry } from "../core/separable-geometry.ts";
import { behindNorm, gradientBehindNorm, type Norms } from "./composed-norm.ts";
import type { Kernels } from "./kernels.ts";

type Parts = Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient" | "binary">;

export function composedSeparable(parts: Parts): Pick<Kernels, "separableConv2d" | "separableConv2dGradient"> {
  const { conv2d, conv2dInputGradient, conv2dWeightGradient, binary } = parts;
  return {
    separableConv2d(x, w, map, geometry, addend) {
      const windowed = conv2d(x, w, geometry.window);
      const y = conv2d(windowed, map, mapGeometry(geometry));
      windowed.release();
      if (addend === undefined) return y;
      const sum = binary("add", y, addend, { shape: [y.length], stridesA: [1], stridesB: [1] });
      y.release();
      return sum;
    },

    separableConv2dGradient(x, w, map, g, geometry) {
      const pixels = mapGeometry(geometry);
      const windowed = conv2d(x, w, geometry.window);
      const mapGradient = conv2dWeightGradient(windowed, g, pixels);
      windowed.release();
      const windowedGradient = conv2dInputGradient(g, map, pixels);
      const gradient = {
        x: conv2dInputGradient(windowedGradient, w, geometry.window),
        w: conv2dWeightGradient(x, windowedGradient, geometry.window),
        map: mapGradient,
      };
      windowedGradient.release();
      return gradient;
    },
  };
}

export function composedNormSeparable(
  norms: Norms,
  { separableConv2d, separableConv2dGradient }: Pick<Kernels, "separableConv2d" | "separableConv2dGradient">,
): Pick<Required<Kernels>, "normSeparableConv2d" | "normSeparableConv2dGradient"> {
  return {
    normSeparableConv2d: (x, norm, w, map, geometry, addend) =>
      behindNorm(norms, x, norm, geometry.window, (v) => separableConv2d(v, w, map, geometry, addend)),
    normSeparableConv2dGradient: (x, norm, w, map, g, geometry) =>
      gradientBehindNorm(norms, x, norm, geometry.window, (v) => separableConv2dGradient(v, w, map, g, geometry)),
  };
}
