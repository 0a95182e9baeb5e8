/**
 * Augmentation and normalisation in one pass over the bytes of an image. The order is that of the usual PyTorch recipe: pad
 * and crop, flip, scale and normalise, then Cutout (DeVries & Taylor 2017, arXiv 1708.04552) writes zeros.
 */

import { ConfigError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";

export interface Augmentation {
  /** Pads every side with this many black pixels and crops a window of the original size, uniformly placed. */
  readonly crop?: number;
  /** Mirrors left to right, once in two. */
  readonly flip?: boolean;
  /** Side of a square of zeros whose centre is uniform over the image, so the border may clip it. */
  readonly cutout?: number;
}

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
  /** [C,256]: normalised value of every byte. */
  readonly table: Float32Array;
}

export interface AugmenterOptions {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly augment?: Augmentation | undefined;
}

/**
 * y = (x/255 − mean)/std of every byte x and channel, each step rounded to float32 as PyTorch rounds it.
 * @throws ConfigError when crop or cutout is not an integer ≥ 0, or mean and std do not hold one number per channel, std above 0.
 */
export function createAugmenter({ channels, height, width, mean, std, augment = {} }: AugmenterOptions): Augmenter {
  const { crop = 0, flip = false, cutout = 0 } = augment;
  for (const [name, value] of [
    ["crop", crop],
    ["cutout", cutout],
  ] as const)
    if (!Number.isInteger(value) || value < 0) throw new ConfigError(`augment: ${name} must be an integer ≥ 0, got ${value}`);
  if (mean.length !== channels || std.length !== channels || !mean.every(Number.isFinite) || !std.every((s) => Number.isFinite(s) && s > 0))
    throw new ConfigError(
      `augment: needs a finite mean and a std above 0 for each of ${channels} channels, got mean [${mean}], std [${std}]`,
    );
  const table = new Float32Array(channels * 256);
  const { fround } = Math;
  for (let c = 0; c < channels; c++)
    for (let x = 0; x < 256; x++) table[c * 256 + x] = fround(fround(fround(x / 255) - fround(mean[c]!)) / fround(std[c]!));
  return { channels, height, width, crop, flip, cutout, table };
}

/**
 * Writes one augmented, normalised image. source:[C,H,W] bytes at `from` → out:[C,H,W] at `to`.
 * Draws from `random`, in this order and only for what is on: crop row, crop column, flip, Cutout row, Cutout column.
 */
export function augmentImage(augmenter: Augmenter, source: Uint8Array, from: number, out: Float32Array, to: number, random: Random): void {
  const { channels, height, width, crop, flip, cutout, table } = augmenter;
  const dy = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const dx = crop > 0 ? random.integer(2 * crop + 1) - crop : 0;
  const mirrored = flip && random.integer(2) === 1;
  // Columns of the window, before the flip, that fall inside the image.
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
      for (let x = left; x < right; x++, write += step) out[write] = table[row0 + source[read++]!]!;
      for (let x = right; x < width; x++, write += step) out[write] = black;
    }
  }
  if (cutout > 0) {
    // An even side extends one pixel further up and left of the centre, as in the paper's code.
    const top = random.integer(height) - (cutout >> 1);
    const first = random.integer(width) - (cutout >> 1);
    const [top0, bottom] = [Math.max(0, top), Math.min(height, top + cutout)];
    const [left0, end] = [Math.max(0, first), Math.min(width, first + cutout)];
    for (let c = 0; c < channels; c++)
      for (let y = top0; y < bottom; y++) {
        const start = to + (c * height + y) * width;
        out.fill(0, start + left0, start + end);
      }
  }
}
