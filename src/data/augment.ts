/**
 * Augmentation and normalisation in one pass over the bytes of an image. The order is that of the usual PyTorch recipe: pad and crop, flip,
 * scale and normalise, then write the zeros of Cutout (DeVries & Taylor 2017, arXiv 1708.04552).
 */

import { ConfigError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { isFloat32Array } from "../core/typed-arrays.ts";

export interface Augmentation {
  /**
   * Black pixels added to every side, before a window of the original size is cropped at a uniformly drawn position. Default: 0, no crop.
   */
  readonly crop?: number;
  /** Whether an image is mirrored left to right with probability ½. Default: false. */
  readonly flip?: boolean;
  /**
   * Side, in pixels, of a square of zeros whose centre is uniform over the image; the border may clip the square. Default: 0, no square.
   */
  readonly cutout?: number;
  /**
   * Whether a part of random area (8 … 100 %) and aspect (3/4 … 4/3) is scaled to the size of the image, as the recipe for ImageNet has it.
   * The part is cut from the file, so only a streamed data set can be cropped so. Default: false.
   */
  readonly resizedCrop?: boolean;
}

/** The training recipe of networks on ImageNet: a random resized crop and a flip. */
export const imageNetAugmentation: Augmentation = { resizedCrop: true, flip: true };

/** The training recipe of Wide ResNets on CIFAR: crop with padding 4, flip, Cutout 16. */
export const cifarAugmentation: Augmentation = { crop: 4, flip: true, cutout: 16 };

/** Sizes and normalisation tables, computed once and used for every batch. */
export interface Augmenter {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly crop: number;
  readonly flip: boolean;
  readonly cutout: number;
  /** [C,256]: the normalised value of every byte. */
  readonly table: Float32Array;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface AugmenterOptions {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** One number per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  /** One number above 0 per channel, of pixels scaled to [0, 1]. */
  readonly std: readonly number[];
  /** Default: no augmentation. */
  readonly augment?: Augmentation | undefined;
}

/**
 * Tabulates y = (x/255 − mean)/std for every byte x and channel. Each step is rounded to float32, as PyTorch rounds it.
 * @throws ConfigError when crop or cutout is not an integer ≥ 0, or mean and std do not hold one number per channel, std above 0.
 */
export function createAugmenter({ channels, height, width, mean, std, augment = {} }: AugmenterOptions): Augmenter {
  const { crop = 0, flip = false, cutout = 0 } = augment;
  for (const [name, value] of Object.entries({ crop, cutout }))
    if (!Number.isInteger(value) || value < 0) throw new ConfigError(`augment: ${name} must be an integer ≥ 0, got ${value}`);
  if (mean.length !== channels || std.length !== channels || !mean.every(Number.isFinite) || !std.every((s) => Number.isFinite(s) && s > 0))
    throw new ConfigError(
      `augment: needs a finite mean and a std above 0 for each of ${channels} channels, got mean [${mean}], std [${std}]`,
    );
  const table = new Float32Array(channels * 256);
  const { fround } = Math;
  for (let c = 0; c < channels; c++)
    for (let x = 0; x < 256; x++) table[c * 256 + x] = fround(fround(fround(x / 255) - fround(mean[c]!)) / fround(std[c]!));
  return { channels, height, width, crop, flip, cutout, table, mean, std };
}

/** The normalised values of floats that are pixels scaled to [0, 1]: y = (x − mean)/std, each step rounded to float32. */
const normalise = ({ mean, std }: Augmenter, channel: number, x: number): number =>
  Math.fround(Math.fround(x - Math.fround(mean[channel]!)) / Math.fround(std[channel]!));

/**
 * Writes one augmented, normalised image. source:[C,H,W], bytes or floats, at `from` → out:[C,H,W] at `to`.
 * Draws from `random` in this order, leaving out what is switched off: crop row, crop column, flip, Cutout row, Cutout column.
 */
export function augmentImage(
  augmenter: Augmenter,
  source: Uint8Array | Float32Array,
  from: number,
  out: Float32Array,
  to: number,
  random: Random,
): void {
  const floats = isFloat32Array(source);
  const { channels, height, width, crop, flip, table } = augmenter;
  const dy = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const dx = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const mirrored = flip && random.integer(2) === 1;
  // The columns [left, right) of the window, before the flip, lie inside the image.
  const left = Math.min(width, Math.max(0, -dx));
  const right = Math.max(left, Math.min(width, width - dx));
  const step = mirrored ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const row0 = c << 8;
    const black = table[row0]!;
    for (let y = 0; y < height; y++) {
      const start = to + (c * height + y) * width;
      const sourceY = y + dy;
      if (sourceY < 0 || sourceY >= height) {
        out.fill(black, start, start + width);
        continue;
      }
      let write = mirrored ? start + width - 1 : start;
      let read = from + (c * height + sourceY) * width + left + dx;
      for (let x = 0; x < left; x++, write += step) out[write] = black;
      if (floats) for (let x = left; x < right; x++, write += step) out[write] = normalise(augmenter, c, source[read++]!);
      else for (let x = left; x < right; x++, write += step) out[write] = table[row0 + source[read++]!]!;
      for (let x = right; x < width; x++, write += step) out[write] = black;
    }
  }
  if (augmenter.cutout > 0) cutOut(augmenter, out, to, random);
}

/** Writes the zeros of Cutout into an image:[C,H,W] at `to`. */
function cutOut({ channels, height, width, cutout }: Augmenter, out: Float32Array, to: number, random: Random): void {
  // An even side extends one pixel further up and left of the centre, as in the paper's code.
  const top = random.integer(height) - (cutout >> 1);
  const left = random.integer(width) - (cutout >> 1);
  for (let c = 0; c < channels; c++)
    for (let y = Math.max(0, top); y < Math.min(height, top + cutout); y++) {
      const row = to + (c * height + y) * width;
      out.fill(0, row + Math.max(0, left), row + Math.min(width, left + cutout));
    }
}
