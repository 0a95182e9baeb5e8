/** The windows of convolutions and poolings: the arguments that describe them, and loops over them, as pieces of programs. */

import { smallQuotient } from "../program.ts";

/** The integer arguments for the windows, named as in `ConvolutionGeometry`. */
export const windowIntegers = [
  "height",
  "width",
  "outHeight",
  "outWidth",
  "kernelHeight",
  "kernelWidth",
  "strideY",
  "strideX",
  "paddingY",
  "paddingX",
  "dilationY",
  "dilationX",
] as const;

/** Runs `body` for each tap (ky, kx) of the window at output (y, x) that lies on the image; the tap reads row sy and column sx. */
export const forEachTap = (body: string): string => `
    for (let ky = 0; ky < kernelHeight; ky++) {
      const sy = y * strideY + ky * dilationY - paddingY;
      if (sy >= 0 && sy < height) {
        for (let kx = 0; kx < kernelWidth; kx++) {
          const sx = x * strideX + kx * dilationX - paddingX;
          if (sx >= 0 && sx < width) { ${body} }
        }
      }
    }`;

/**
 * The adjoint of `forEachTap`: runs `body` for each output (y, x) whose window covers row sy and column sx of the image, by its tap (ky,
 * kx).
 */
export const forEachWindowOver = (body: string): string => `
    for (let ky = 0; ky < kernelHeight; ky++) {
      const ty = sy + paddingY - ky * dilationY;
      const y = ${smallQuotient("ty", "strideY")};
      if (ty >= 0 && y < outHeight && y * strideY == ty) {
        for (let kx = 0; kx < kernelWidth; kx++) {
          const tx = sx + paddingX - kx * dilationX;
          const x = ${smallQuotient("tx", "strideX")};
          if (tx >= 0 && x < outWidth && x * strideX == tx) { ${body} }
        }
      }
    }`;
