/**
 * Decodes PNG, JPEG and WebP files to the pixels of a network's input. No other file loads the image library, and this one loads it only
 * when an image is decoded.
 */

import type { Sharp } from "sharp";
import { ConfigError, DataError } from "../../core/errors.ts";
import { fileKind } from "../../core/file-kind.ts";
import { readBytes } from "../../core/node/read-file.ts";
import { describeError } from "../../core/node/system-error.ts";
import { loadOptional } from "../../core/optional-package.ts";
import type { Region } from "../resized-crop.ts";

/** The colour behind transparent pixels. */
const background = "#ffffff";

/** The bytes by which a file of each format is known, from a position on. A file's name plays no part. */
const signatures = [
  [0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]], // PNG
  [0, [0xff, 0xd8, 0xff]], // JPEG
  [8, [0x57, 0x45, 0x42, 0x50]], // WebP: "WEBP" after "RIFF" and a length
] as const;

/** Loads the image library. The library asks the main thread to load it before any worker does. */
export const loadImageLibrary = async (): Promise<void> => void (await importSharp());

const importSharp = () => loadOptional("image", ["sharp"], () => import("sharp"));

/** Which part of an image becomes the input of a network. */
export interface ImageView {
  /** Height and width of the result, in pixels. */
  readonly size: number;
  /** The length, at least `size`, to which the shorter side is scaled before the middle is cut out. Default: `size`. */
  readonly resize?: number | undefined;
  /** The largest number of pixels of the image in the file. Default: 2²⁶ (67 megapixels), which take at most about 0.6 GB to decode. */
  readonly maximumPixels?: number | undefined;
  /** Chooses a part from the width and height of the upright image. The part is scaled to the size. Default: the middle. */
  readonly region?: ((width: number, height: number) => Region) | undefined;
}

/**
 * Decodes the image in `path` to sRGB bytes [3,size,size]. The image is turned upright by its EXIF orientation, laid on white where it is
 * transparent, and converted to sRGB with 8 bits from grey, a palette, 16 bits or CMYK. Its shorter side is scaled to `resize`, and the
 * middle is cut out. An sRGB image of size × size pixels keeps every byte when `resize` is `size`.
 *
 * An image is scaled by Lanczos-3. Where the view has a region, or a resize above the size, it is scaled bilinearly, as torchvision does in
 * the recipe for ImageNet.
 * @throws DataError naming the file when it cannot be read, is of no such format, is too large, or is damaged. ConfigError when
 * the package sharp is not installed.
 */
export async function decodeImage(path: string, view: number | ImageView): Promise<Uint8Array> {
  const {
    size,
    resize = size,
    region,
    maximumPixels = defaultMaximumPixels,
  } = typeof view === "number" ? ({ size: view } as ImageView) : view;
  if (resize < size) throw new ConfigError(`image: resize must be at least size, got resize ${resize} and size ${size}`);
  const bytes = await readBytes(path, { op: "image", remedy: "name an image file, or photos/* for all files of a folder" });
  if (!signatures.some(([from, signature]) => signature.every((byte, i) => bytes[from + i] === byte)))
    throw new DataError(
      `image: ${path} must be a PNG, a JPEG or a WebP image, got ${describeFormat(bytes)}; ` +
        `${fileKind(bytes)?.remedy ?? "convert it first"}`,
    );
  const { default: sharp } = await importSharp();
  try {
    checkPixels(path, await sharp(bytes, { limitInputPixels: false }).metadata(), maximumPixels);
    const image = sharp(bytes, { failOn: "error", limitInputPixels: maximumPixels }).autoOrient().flatten({ background });
    const cut =
      region === undefined && resize === size
        ? // With fastShrinkOnLoad, a JPEG would be shrunk while it is decoded, and its pixels would lie between those of a plain resize.
          image.resize(size, size, { fit: "cover", position: "centre", fastShrinkOnLoad: false })
        : await cutBilinear(image, { size, resize, region });
    const { data, info } = await cut.toColourspace("srgb").raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    return toPlanes(data, info.channels, size * size);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`image: ${path} must be a whole PNG, JPEG or WebP image, got ${describeError(error)}; restore it from a copy`, {
      cause: error,
    });
  }
}

/** Scales a region to the size; or scales the shorter side to `resize`, and cuts out the middle. */
async function cutBilinear(image: Sharp, { size, resize = size, region }: ImageView): Promise<Sharp> {
  const { width, height } = (await image.metadata()).autoOrient;
  const scaled = { fit: "fill", kernel: "linear", fastShrinkOnLoad: false } as const;
  if (region !== undefined) return image.extract(region(width, height)).resize(size, size, scaled);
  // torchvision rounds the longer side down.
  const shorter = Math.min(width, height);
  const [w, h] = [width, height].map((side) => (side === shorter ? resize : Math.floor((resize * side) / shorter))) as [number, number];
  const middle = { left: Math.round((w - size) / 2), top: Math.round((h - size) / 2), width: size, height: size };
  return image.resize(w, h, scaled).extract(middle);
}

/** The default of `maximumPixels`. For a progressive JPEG or an interlaced PNG of 16 bits, a decoder holds up to nine bytes a pixel. */
const defaultMaximumPixels = 2 ** 26;

/** The longest side. Image libraries hold whole rows, dozens of them, so a low and wide image takes more memory than its pixels say. */
const longestSide = 2 ** 16;

/** The file's format, where it is known. Bytes of a file of another format are not quoted: the path may lead to a secret. */
const describeFormat = (bytes: Uint8Array): string => fileKind(bytes)?.name ?? "a file of another format";

/** @throws DataError for an image of more pixels, or of a longer side. The size is read from the image's header. */
function checkPixels(path: string, { width, height }: { readonly width: number; readonly height: number }, maximumPixels: number): void {
  if (Math.max(width, height) > longestSide)
    throw new DataError(`image: ${path} must have sides of at most ${longestSide} pixels, got ${width}×${height}; make it smaller first`);
  const megapixels = (pixels: number): string => (pixels < 1e6 ? `${pixels} pixels` : `${Math.round(pixels / 1e6)} megapixels`);
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
