/** Max pooling: which windows of a row lie inside the image. */

import type { ConvolutionGeometry } from "../../../core/convolution-geometry.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { chunkElements, jobAddress } from "../shared/sizes.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";
import { writeStruct } from "./structs.ts";

export const poolingAcceptances: Acceptances<"maxPool2d"> = { maxPool2d: { dtypes: ["float32"], accepts: isFloat32 } };

/** The windows of a row whose columns all lie inside the image: from number `first` to before number `end`. */
function innerWindows({ width, outWidth, kernelWidth, strideX, paddingX, dilationX }: ConvolutionGeometry): [first: number, end: number] {
  const first = Math.min(outWidth, Math.ceil(paddingX / strideX));
  const lastLeft = width - 1 - (kernelWidth - 1) * dilationX + paddingX;
  return [first, Math.max(first, Math.min(outWidth, Math.floor(lastLeft / strideX) + 1))];
}

export const poolingKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, "maxPool2d"> => ({
  maxPool2d(x, geometry) {
    team.check();
    const { batch, inChannels, height, width, kernelHeight, kernelWidth, outHeight, outWidth } = geometry;
    const { strideY, strideX, paddingY, paddingX, dilationY, dilationX } = geometry;
    const rows = batch * inChannels * outHeight;
    const source = memory.pointerOf(x);
    const values = memory.allocate("float32", rows * outWidth);
    const indices = memory.allocate("int32", values.length);
    if (values.length === 0) return { values, indices };
    const taps = outWidth * kernelHeight * kernelWidth;
    const [innerFirst, innerEnd] = innerWindows(geometry);
    writeStruct(memory, jobAddress, "PoolJob", {
      x: source,
      values: values.pointer,
      positions: indices.pointer,
      height,
      width,
      outHeight,
      outWidth,
      rows,
      rowsPerChunk: Math.max(1, Math.floor(chunkElements / taps)),
      kernelHeight,
      kernelWidth,
      strideY,
      strideX,
      paddingY,
      paddingX,
      dilationY,
      dilationX,
      innerFirst,
      innerEnd,
    });
    kernels.maxPool2d(rows * taps > sharedElements);
    return { values, indices };
  },
});
