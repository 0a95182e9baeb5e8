/**
 * Decodes PNG and JPEG files to the pixels of a network's input. No other file loads the image library, and this one loads it only when an
 * image is decoded.
 */

import { readFile } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { fileKind } from "../../core/file-kind.ts";
import { loadOptional } from "../../core/optional-package.ts";
import { describeError } from "./system-error.ts";

/** The colour behind transparent pixels. */
const background = "#ffffff";

/** The first bytes of a file in each format. A file's name plays no part. */
const signatures = {
  png: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  jpeg: [0xff, 0xd8, 0xff],
} as const;

/**
 * Decodes the image in `path` to sRGB bytes [3,size,size]. The image is turned upright by its EXIF orientation, laid on white where it is
 * transparent, and converted to sRGB with 8 bits from grey, a palette, 16 bits or CMYK. Its shorter side is scaled to `size`, and the
 * middle is cut out of the longer side. An sRGB image of size × size pixels keeps every byte.
 * @throws DataError naming the file when it cannot be read, is neither PNG nor JPEG, or is damaged. ConfigError when the package sharp is not
 * installed.
 */
export async function decodeImage(path: string, size: number): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new DataError(`image: ${path} must be readable, got ${describeError(error)}`, { cause: error });
  });
  if (!Object.values(signatures).some((signature) => signature.every((byte, i) => bytes[i] === byte)))
    throw new DataError(
      `image: ${path} must be a PNG or a JPEG, got ${describeStart(bytes)}; ${fileKind(bytes)?.remedy ?? "convert it first"}`,
    );
  const { default: sharp } = await loadOptional("image", ["sharp"], () => import("sharp"));
  // With fastShrinkOnLoad, a JPEG would be shrunk while it is decoded, and its pixels would lie between those of a plain resize.
  const scaled = { fit: "cover", position: "centre", fastShrinkOnLoad: false } as const;
  const damaged = (error: unknown): never => {
    throw new DataError(`image: ${path} must be a whole PNG or JPEG, got ${describeError(error)}; restore it from a copy`, {
      cause: error,
    });
  };
  checkPixels(path, await sharp(bytes, { limitInputPixels: false }).metadata().catch(damaged));
  const decode = sharp(bytes, { failOn: "error", limitInputPixels: maximumPixels })
    .autoOrient()
    .flatten({ background })
    .resize(size, size, scaled)
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { data, info } = await decode.catch(damaged);
  return toPlanes(data, info.channels, size * size);
}

/** The largest number of pixels of an image. It bounds the memory that a small file can ask for: about 1 GB. */
const maximumPixels = 2 ** 28;

/** The file's format, where it is known, or else its first bytes. */
const describeStart = (bytes: Uint8Array): string =>
  fileKind(bytes)?.name ?? `a file that begins ${Buffer.from(bytes.subarray(0, 4)).toString("hex")}`;

/** @throws DataError for an image of more than `maximumPixels`. The size is read from the image's header. */
function checkPixels(path: string, { width, height }: { readonly width: number; readonly height: number }): void {
  const megapixels = (pixels: number): string => `${Math.round(pixels / 1e6)} megapixels`;
  if (width * height > maximumPixels)
    throw new DataError(
      `image: ${path} must have at most ${megapixels(maximumPixels)}, got ${width}×${height}, which are ${megapixels(width * height)}; ` +
        "make it smaller first",
    );
}

/** [pixels,channels] → [3,pixels]. A grey image has three equal planes. */
function toPlanes(interleaved: Uint8Array, channels: number, pixels: number): Uint8Array {
  const planes = new Uint8Array(3 * pixels);
  for (let c = 0; c < 3; c++) for (let p = 0; p < pixels; p++) planes[c * pixels + p] = interleaved[p * channels + (channels < 3 ? 0 : c)]!;
  return planes;
}
