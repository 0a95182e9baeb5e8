/**
 * Multiply-adds as the paper's code counts them (docs/faithfulness.md). They compare with published figures; they are not what a program
 * executes. The quirks of the paper's code are kept. A layer that the paper does not have is counted by what it executes.
 *
 * A convolution counts O·(I/groups)·k²·H′·W′, without its bias. A linear layer counts its weights and biases. Batch normalisation and
 * additions count nothing. Between the layers (count-network.ts), ReLU counts one per element, pooling over windows k² per output, and
 * pooling of whole images nothing.
 */

import { type Shape, sizeOf } from "../core/shape.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { ConvTranspose2d } from "../nn/conv-transpose2d.ts";
import { Conv2d } from "../nn/conv2d.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer } from "../nn/module.ts";
import { pixelsOf, StructuredConvolution } from "../structured/structured-convolution.ts";
import { StructuredLinear } from "../structured/structured-linear.ts";

/** A layer that is counted as a whole. */
interface Convention {
  /** The name of the layer's kind in tables. */
  readonly kind: string;
  /** The count for one sample x:[1,C,H,W] → y:[1,O,H′,W′]. */
  readonly multiplyAdds: (input: Shape, output: Shape) => number;
}

/** The convention for `layer`; undefined for a layer whose count is the sum of its parts. */
export function conventionFor(layer: Layer): Convention | undefined {
  if (layer instanceof StructuredConvolution)
    return { kind: layer.name, multiplyAdds: (input, output) => layer.paperMultiplyAdds(input, output) };
  if (layer instanceof StructuredLinear) return { kind: layer.name, multiplyAdds: (input) => mapMultiplyAdds(layer, input) };
  if (layer instanceof Conv2d) return { kind: "Conv2d", multiplyAdds: (_, output) => layer.weight.value.size * pixelsOf(output) };
  if (layer instanceof ConvTranspose2d)
    return { kind: "ConvTranspose2d", multiplyAdds: (input) => layer.weight.value.size * pixelsOf(input) };
  if (layer instanceof Linear) return { kind: "Linear", multiplyAdds: () => layer.parameterCount() };
  if (layer instanceof BatchNorm2d) return { kind: "BatchNorm2d", multiplyAdds: () => 0 };
  return undefined;
}

/** A map on its own counts what its convolution counts for one pixel, for each row, and its bias as a linear layer does. */
function mapMultiplyAdds(map: StructuredLinear, input: Shape): number {
  const rows = sizeOf(input) / map.inFeatures;
  return map.paperMultiplyAdds({ input: rows, output: rows, windowed: false }) + (map.bias?.value.size ?? 0);
}
