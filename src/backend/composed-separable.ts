/**
 * The separable convolution composed of convolutions, and with a norm before it composed of both. The reference computes them so, devices
 * compute the first one so, and fast kernels are compared with them.
 */

import { mapGeometry, type SeparableGeometry } from "../core/separable-geometry.ts";
import type { Kernels, NormGeometry } from "./kernels.ts";

type Norms = Pick<Kernels, "batchNorm" | "batchNormGradient">;
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
  { batchNorm, batchNormGradient }: Norms,
  { separableConv2d, separableConv2dGradient }: Pick<Kernels, "separableConv2d" | "separableConv2dGradient">,
): Pick<Required<Kernels>, "normSeparableConv2d" | "normSeparableConv2dGradient"> {
  const normGeometry = ({ window }: SeparableGeometry, epsilon: number): NormGeometry => ({
    batch: window.batch,
    channels: window.inChannels,
    inner: window.height * window.width,
    epsilon,
  });
  return {
    normSeparableConv2d(x, { gamma, beta, epsilon, activation }, w, map, geometry, addend) {
      const { y: v, ...statistics } = batchNorm(x, gamma, beta, normGeometry(geometry, epsilon), { activation });
      const y = separableConv2d(v, w, map, geometry, addend);
      v.release();
      return { y, ...statistics };
    },

    normSeparableConv2dGradient(x, { gamma, beta, mean, variance, epsilon, activation }, w, map, g, geometry) {
      const norm = normGeometry(geometry, epsilon);
      const again = batchNorm(x, gamma, beta, norm, { activation });
      const { x: ofV, ...ofConvolution } = separableConv2dGradient(again.y, w, map, g, geometry);
      const ofNorm = batchNormGradient(x, gamma, mean, variance, ofV, norm, { activation, y: again.y, addend: false });
      for (const storage of [again.y, again.mean, again.variance, ofV]) storage.release();
      return { x: ofNorm.x, gamma: ofNorm.gamma, beta: ofNorm.beta, ...ofConvolution };
    },
  };
}
