/**
 * Multiply-adds as the paper's code counts them (docs/faithfulness.md): a convention for comparing with published figures, not what a program
 * executes. Its quirks are kept to the letter, and a layer the paper does not have is counted by what it does.
 *
 * Convolutions O·(I/groups)·k²·H′·W′, no bias; a linear layer its weights and biases; batch normalisation and additions nothing. Between the
 * layers (count-network.ts): ReLU one per element, pooling over windows k² per output, pooling of whole images nothing.
 */

import { type Shape, sizeOf } from "../core/shape.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import { AcdcLinear } from "../structured/acdc.ts";
import { CanonicalPolyadicLinear } from "../structured/canonical-polyadic.ts";
import { DenseConvolution } from "../structured/dense.ts";
import { DenseLinear } from "../structured/dense-linear.ts";
import { HashedLinear } from "../structured/hashed.ts";
import { HashedConvolution } from "../structured/hashed-convolution.ts";
import { ShuffleConvolution } from "../structured/linear-shuffle.ts";
import { TiedLowRankLinear } from "../structured/low-rank.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import type { StructuredLinear } from "../structured/structured-linear.ts";
import { TensorTrainLinear } from "../structured/tensor-train.ts";
import { TuckerLinear } from "../structured/tucker.ts";

/** What one sample meets in a layer: x:[1,C,H,W] → y:[1,O,H′,W′]. */
export interface Passage {
  readonly input: Shape;
  readonly output: Shape;
}

/** Pixels of an image of any number of channels. */
const pixels = (shape: Shape): number => sizeOf(shape.slice(2));

/** Maps that the paper's code counts as the dense matrix they stand for. */
const countedAsDense = [DenseLinear, HashedLinear, TensorTrainLinear, TuckerLinear, CanonicalPolyadicLinear];

/** Of one column. ACDC's transforms are counted at 2.5·N·log₂N each. */
function columnMultiplyAdds(map: StructuredLinear): number {
  const { inFeatures, outFeatures } = map;
  if (map instanceof AcdcLinear) {
    const size = map.layers[0]!.A.shape[0]!;
    return map.layers.length * (4 * size + 5 * size * Math.log2(size));
  }
  // The input is tiled to the outputs' number before both products.
  if (map instanceof TiedLowRankLinear) return 2 * outFeatures * map.rank;
  if (countedAsDense.some((kind) => map instanceof kind)) return inFeatures * outFeatures;
  return map.contraction()?.multiplyAdds ?? inFeatures * outFeatures;
}

function separable({ grouped, map }: SeparableConvolution, { input, output }: Passage): number {
  const window = grouped === undefined ? 0 : sizeOf(grouped.kernel().shape) * pixels(output);
  // The paper's code takes the stride of an ACDC layer for 1 once a window stands before it, and so counts every pixel of its input.
  const columns = grouped !== undefined && map instanceof AcdcLinear ? pixels(input) : pixels(output);
  return window + columnMultiplyAdds(map) * columns;
}

function shuffle({ map }: ShuffleConvolution, { input, output }: Passage): number {
  const { shuffle_gconv1: narrow, shuffle_dwconv: window, shuffle_gconv2: widen } = map;
  return sizeOf(narrow.weight.shape) * pixels(input) + (sizeOf(window.weight.shape) + sizeOf(widen.weight.shape)) * pixels(output);
}

/** A layer that is counted as a whole, whatever it is made of, and how. */
interface Convention {
  readonly kind: string;
  readonly multiplyAdds: (passage: Passage) => number;
}

/** The convention for `layer`; undefined for one that is only the sum of its parts. */
export function conventionFor(layer: Layer): Convention | undefined {
  const convention = (kind: string, multiplyAdds: Convention["multiplyAdds"]): Convention => ({ kind, multiplyAdds });
  const dense = (weights: number): Convention["multiplyAdds"] => {
    return ({ output }) => weights * pixels(output);
  };
  if (layer instanceof SeparableConvolution) return convention(layer.map.constructor.name, (passage) => separable(layer, passage));
  if (layer instanceof ShuffleConvolution) return convention("ShuffleConvolution", (passage) => shuffle(layer, passage));
  if (layer instanceof HashedConvolution) return convention("HashedConvolution", dense(layer.hashed.idxs.value.size));
  if (layer instanceof DenseConvolution) return convention("DenseConvolution", dense(layer.conv.weight.value.size));
  if (layer instanceof Conv2d) return convention("Conv2d", dense(layer.weight.value.size));
  if (layer instanceof Linear) return convention("Linear", () => layer.parameterCount());
  if (layer instanceof BatchNorm2d) return convention("BatchNorm2d", () => 0);
  return undefined;
}
