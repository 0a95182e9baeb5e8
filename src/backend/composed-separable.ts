/**
 * The separable convolution composed of convolutions. The reference and the devices compute it so, and fast kernels are compared with it.
 */

import { mapGeometry } from "../core/separable-geometry.ts";
import type { Kernels } from "./kernels.ts";

type Convolutions = Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient">;

export function composedSeparable(convolutions: Convolutions): Pick<Kernels, "separableConv2d" | "separableConv2dGradient"> {
  const { conv2d, conv2dInputGradient, conv2dWeightGradient } = convolutions;
  return {
    separableConv2d(x, w, map, geometry) {
      const windowed = conv2d(x, w, geometry.window);
      const y = conv2d(windowed, map, mapGeometry(geometry));
      windowed.release();
      return y;
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
