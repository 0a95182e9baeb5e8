/**
 * A depthwise window and the stages behind it, composed of a convolution and of stages, and with a norm before it composed of both. The
 * reference computes them so, and so do fast kernels where the window is not one that they know.
 */

import { behindNorm, gradientBehindNorm, type Norms } from "./composed-norm.ts";
import type { Kernels, StagesGeometry, WindowStagesGeometry } from "./kernels.ts";

type Convolutions = Pick<Kernels, "conv2d" | "conv2dInputGradient" | "conv2dWeightGradient">;
type Stages = Pick<Required<Kernels>, "contractChannels" | "contractChannelsGradient">;

/** The stages at every pixel of the window's result. */
function stagesOf({ window: { batch, outHeight, outWidth }, stages }: WindowStagesGeometry): StagesGeometry {
  return { batch, columns: outHeight * outWidth, stages };
}

export function composedWindowStages({
  conv2d,
  conv2dInputGradient,
  conv2dWeightGradient,
  contractChannels,
  contractChannelsGradient,
}: Convolutions & Stages): Pick<Required<Kernels>, "contractWindow" | "contractWindowGradient"> {
  return {
    contractWindow(x, w, weights, geometry) {
      const windowed = conv2d(x, w, geometry.window);
      const y = contractChannels(windowed, weights, stagesOf(geometry));
      windowed.release();
      return y;
    },

    contractWindowGradient(x, w, weights, g, geometry) {
      const { window } = geometry;
      const windowed = conv2d(x, w, window);
      const ofStages = contractChannelsGradient(windowed, weights, g, stagesOf(geometry));
      windowed.release();
      const gradient = {
        x: conv2dInputGradient(ofStages.x, w, window),
        w: conv2dWeightGradient(x, ofStages.x, window),
        weights: ofStages.weights,
      };
      ofStages.x.release();
      return gradient;
    },
  };
}

export function composedNormWindowStages({
  contractWindow,
  contractWindowGradient,
  ...norms
}: Norms & Pick<Required<Kernels>, "contractWindow" | "contractWindowGradient">): Pick<
  Required<Kernels>,
  "normContractWindow" | "normContractWindowGradient"
> {
  return {
    normContractWindow: (x, norm, w, weights, geometry) =>
      behindNorm(norms, x, norm, geometry.window, (v) => contractWindow(v, w, weights, geometry)),
    normContractWindowGradient: (x, norm, w, weights, g, geometry) =>
      gradientBehindNorm(norms, x, norm, geometry.window, (v) => contractWindowGradient(v, w, weights, g, geometry)),
  };
}
