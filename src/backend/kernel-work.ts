/** How much a call of a kernel computes and moves, from its operands alone. */

import { type ChannelStage, stageMultiplyAdds, stagesMultiplyAdds } from "../core/channel-stage.ts";
import { type ConvolutionGeometry, convolutionMultiplyAdds } from "../core/convolution-geometry.ts";
import { cosineTransformMultiplyAdds } from "../core/cosine-transform.ts";
import { separableMultiplyAdds } from "../core/separable-geometry.ts";
import { bytesPerElement, type Storage } from "../tensor/storage.ts";
import type { Call } from "./interpose.ts";
import type { WindowStagesGeometry } from "./kernels.ts";

/** All stages but the last are computed again, and each has two gradients. */
const gradientMultiplyAdds = (stages: readonly ChannelStage[]): number =>
  3 * stagesMultiplyAdds(stages) - stageMultiplyAdds(stages.at(-1)!);

const pixelsOf = ({ batch, outHeight, outWidth }: ConvolutionGeometry): number => batch * outHeight * outWidth;

const windowedMultiplyAdds = ({ window, stages }: WindowStagesGeometry): number =>
  convolutionMultiplyAdds(window) + pixelsOf(window) * stagesMultiplyAdds(stages);

const windowedGradientMultiplyAdds = ({ window, stages }: WindowStagesGeometry): number =>
  2 * convolutionMultiplyAdds(window) + pixelsOf(window) * gradientMultiplyAdds(stages);

/**
 * The multiply-adds of a matrix product, a convolution, a gradient of a convolution or a cosine transform; 0 for every other kernel. A
 * convolution and each of its gradients count N·O·H′·W′·(C/groups)·Kh·Kw, which includes the products with the padding. The gradients of a
 * separable convolution count twice as much as the convolution: a kernel that computes the window again gets nothing for it. The additions
 * inside a cosine transform count, because they are half of its work.
 */
export function contractionMultiplyAdds(call: Call): number {
  switch (call[0]) {
    case "matmul": {
      const { batch, m, k, n } = call[3];
      return batch * m * k * n;
    }
    case "conv2d":
    case "conv2dInputGradient":
    case "conv2dWeightGradient":
      return convolutionMultiplyAdds(call[3]);
    case "separableConv2d":
      return separableMultiplyAdds(call[4]);
    case "separableConv2dGradient":
      return 2 * separableMultiplyAdds(call[5]);
    case "normSeparableConv2d":
      return separableMultiplyAdds(call[5]);
    case "normSeparableConv2dGradient":
      return 2 * separableMultiplyAdds(call[6]);
    case "cosineTransform": {
      const split = call[3];
      return split.outer * split.inner * cosineTransformMultiplyAdds(split.axis);
    }
    case "contractChannels": {
      const { batch, columns, stages } = call[3];
      return batch * columns * stagesMultiplyAdds(stages);
    }
    case "contractChannelsGradient": {
      const { batch, columns, stages } = call[4];
      return batch * columns * gradientMultiplyAdds(stages);
    }
    case "contractWindow":
      return windowedMultiplyAdds(call[4]);
    case "normContractWindow":
      return windowedMultiplyAdds(call[5]);
    case "contractWindowGradient":
      return windowedGradientMultiplyAdds(call[5]);
    case "normContractWindowGradient":
      return windowedGradientMultiplyAdds(call[6]);
    default:
      return 0;
  }
}

const isStorage = (value: unknown): value is Storage =>
  typeof value === "object" && value !== null && "dtype" in value && "length" in value && "retain" in value;

const sizeInBytes = ({ dtype, length }: Storage): number => bytesPerElement[dtype] * length;

/** The bytes of all storages in a value: a storage, or arrays and records of storages. */
function bytesIn(value: unknown): number {
  if (isStorage(value)) return sizeInBytes(value);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return 0;
  return Object.values(value).reduce((total: number, part) => total + bytesIn(part), 0);
}

/**
 * The bytes that a call must move if it reads every operand once and writes every result once. Kernels that pick elements read as many as
 * they write. `accumulate` and the updates of the optimisers write what they change, too.
 */
export function compulsoryTraffic(call: Call, result: unknown): number {
  switch (call[0]) {
    case "upload":
    case "full":
      return bytesIn(result);
    case "write":
      return bytesIn(call[1]);
    case "readView":
      return 2 * bytesIn(result);
    case "gather":
    case "takeAlongAxis":
      return 2 * bytesIn(result) + bytesIn(call[2]);
    case "assemble":
      return bytesIn(call[4].map(({ source }) => source)) + bytesIn(result);
    case "accumulate":
      return bytesIn([call[1], call[1], call[2]]);
    case "sgdUpdate":
      return bytesIn([call[1], call[1].map(({ parameter, momentum }) => [parameter, momentum])]);
    case "adamUpdate":
      return bytesIn([call[1], call[1].map(({ parameter, mean, square }) => [parameter, mean, square])]);
    default:
      return bytesIn(call.slice(1)) + bytesIn(result);
  }
}
