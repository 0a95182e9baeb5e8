/**
 * A depthwise window and the stages behind it, composed of a convolution and of stages. The reference computes them so, and so do fast
 * kernels where the window is not one that they know.
 */

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
