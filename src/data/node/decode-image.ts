/** PNG and JPEG files as the pixels a network takes. The one file that loads the image library, and not before an image is to be decoded. */

import { readFile } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { describeError } from "./system-error.ts";

/** What stands behind transparent pixels. */
const background = "#ffffff";

/** How each format begins: a file is what it holds, whatever it is called. */
const signatures: readonly (readonly number[])[] = [
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], // PNG
  [0xff, 0xd8, 0xff], // JPEG
];

/**
 * The image in `path` as planar sRGB bytes [3,size,size]: turned upright by its EXIF orientation, laid on white where it is transparent, converted to
 * sRGB of 8 bits from grey, palette, 16 bits or CMYK, its shorter side scaled to `size` and the middle cut out of the longer. An image
 * of size × size that is sRGB already keeps every byte.
 * @throws DataError naming the file when it cannot be read, is neither PNG nor JPEG, or is damaged.
 */
export async function decodeImage(path: string, size: number): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new DataError(`image: ${path} must be readable, got ${describeError(error)}`, { cause: error });
  });
  if (!signatures.some((signature) => signature.every((byte, i) => bytes[i] === byte)))
    throw new DataError(`image: ${path} must be a PNG or a JPEG, got ${describeStart(bytes)}; convert it first`);
  const { default: sharp } = await import("sharp");
  // JPEG's own shrinking would take pixels from between the ones a plain resize takes.
  const scaled = { fit: "cover", position: "centre", fastShrinkOnLoad: false } as const;
  const decode = sharp(bytes, { failOn: "error" })
    .autoOrient()
    .flatten({ background })
    .resize(size, size, scaled)
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { data, info } = await decode.catch((error: unknown) => {
    throw new DataError(`image: ${path} must be a whole PNG or JPEG, got ${describeError(error)}; restore it from a copy`, {
      cause: error,
    });
  });
  return toPlanes(data, info.channels, size * size);
}

const describeStart = (bytes: Uint8Array): string =>
  bytes.length === 0 ? "an empty file" : `a file that begins ${Buffer.from(bytes.subarray(0, 4)).toString("hex")}`;

/** [pixels,channels] → [3,pixels]. A grey image shows the same in all three. */
function toPlanes(interleaved: Uint8Array, channels: number, pixels: number): Uint8Array {
  const planes = new Uint8Array(3 * pixels);
  for (let c = 0; c < 3; c++) for (let p = 0; p < pixels; p++) planes[c * pixels + p] = interleaved[p * channels + (channels < 3 ? 0 : c)]!;
  return planes;
}
