/**
 * Augmentation and normalisation in one pass over the bytes of an image. The order is that of the usual PyTorch recipe: pad and crop, flip,
 * scale and normalise, then write the zeros of Cutout (DeVries & Taylor 2017, arXiv 1708.04552). Mixup follows when the batch is whole.
 */

import { ConfigError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { isFloat32Array } from "../core/typed-arrays.ts";
import { checkMixup } from "./mixup.ts";

export interface Augmentation {
  /**
   * Black pixels added to every side, before a window of the original size is cropped at a uniformly drawn position. Default: 0, no crop.
   */
  readonly crop?: number;
  /**
   * The largest number of pixels by which an image is moved up, down, left and right, uniformly drawn. The border shows the image reflected,
   * without its outermost pixel twice. It takes the place of `crop`. Default: 0, no move.
   */
  readonly translate?: number;
  /**
   * Whether an image is mirrored left to right: `true` with probability ½, `"alternating"` in every other epoch (see alternating-flips.ts).
   * Default: false.
   */
  readonly flip?: boolean | "alternating";
  /**
   * Side, in pixels, of a square of zeros whose centre is uniform over the image; the border may clip the square. Default: 0, no square.
   */
  readonly cutout?: number;
  /** α in (0, 1] of mixup, which averages pairs of images and of labels. 0.2 is usual. Default: 0, no mixup. */
  readonly mixup?: number;
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
  readonly translate: number;
  readonly flip: boolean | "alternating";
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
 * @throws ConfigError when crop, translate or cutout is not an integer ≥ 0, translate is not smaller than the image or stands beside crop,
 * mixup is not in [0, 1], or mean and std do not hold one number per channel, std above 0.
 */
export function createAugmenter({ channels, height, width, mean, std, augment = {} }: AugmenterOptions): Augmenter {
  const { crop = 0, translate = 0, flip = false, cutout = 0, mixup = 0 } = augment;
  for (const [name, value] of Object.entries({ crop, translate, cutout }))
    if (!Number.isInteger(value) || value < 0) throw new ConfigError(`augment: ${name} must be an integer ≥ 0, got ${value}`);
  if (crop > 0 && translate > 0)
    throw new ConfigError(`augment: crop and translate both move the image, got crop ${crop} and translate ${translate}; leave out one`);
  if (translate > 0 && translate >= Math.min(height, width))
    throw new ConfigError(`augment: translate must be smaller than the image of ${height}×${width} pixels, got ${translate}`);
  checkMixup(mixup);
  if (mean.length !== channels || std.length !== channels || !mean.every(Number.isFinite) || !std.every((s) => Number.isFinite(s) && s > 0))
    throw new ConfigError(
      `augment: needs a finite mean and a std above 0 for each of ${channels} channels, got mean [${mean}], std [${std}]`,
    );
  const table = new Float32Array(channels * 256);
  const { fround } = Math;
  for (let c = 0; c < channels; c++)
    for (let x = 0; x < 256; x++) table[c * 256 + x] = fround(fround(fround(x / 255) - fround(mean[c]!)) / fround(std[c]!));
  return { channels, height, width, crop, translate, flip, cutout, table, mean, std };
}

/** The position that shows position `i` of an axis of `size` pixels continued by reflection, for −size < i < 2·size − 1. */
const reflected = (i: number, size: number): number => (i < 0 ? -i : i < size ? i : 2 * size - 2 - i);

/** What the pixels of an axis of the window show. */
interface AxisWindow {
  /** The pixel of the source that each pixel shows; −1 for black. */
  readonly shown: Int32Array;
  /** The inner pixels, from `first` to `last` − 1, show neighbours in the source, so one loop without look-ups writes them. */
  readonly first: number;
  readonly last: number;
  /** The other pixels. */
  readonly border: readonly number[];
}

function windowOf(size: number, shift: number, { reflects, flips }: { reflects: boolean; flips: boolean }): AxisWindow {
  const shown = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    const from = i + shift;
    shown[i] = reflects ? reflected(from, size) : from >= 0 && from < size ? from : -1;
  }
  const start = Math.min(size, Math.max(0, -shift));
  const end = Math.max(start, Math.min(size, size - shift));
  const [first, last] = flips ? [size - end, size - start] : [start, end];
  const border = Array.from({ length: size - (last - first) }, (_, i) => (i < first ? i : i + last - first));
  return { shown: flips ? shown.reverse() : shown, first, last, border };
}

/** Writes `count` normalised pixels of one row: those of the source at `from`, `from` + `step`, … */
type RowWriter = (from: number, step: number, out: Float32Array, to: number, count: number) => void;

/** The writer of a channel of bytes, by the table. */
function byteWriter({ table }: Augmenter, channel: number, source: Uint8Array): RowWriter {
  const values = table.subarray(channel * 256, (channel + 1) * 256);
  return (from, step, out, to, count) => {
    for (let i = 0, at = from; i < count; i++, at += step) out[to + i] = values[source[at]!]!;
  };
}

/** The writer of a channel of floats, which are pixels scaled to [0, 1]: y = (x − mean)/std, each step rounded to float32. */
function floatWriter({ mean, std }: Augmenter, channel: number, source: Float32Array): RowWriter {
  const { fround } = Math;
  const [centre, scale] = [fround(mean[channel]!), fround(std[channel]!)];
  return (from, step, out, to, count) => {
    for (let i = 0, at = from; i < count; i++, at += step) out[to + i] = fround(source[at]! - centre) / scale;
  };
}

/**
 * Writes one augmented, normalised image. source:[C,H,W], bytes or floats, at `from` → out:[C,H,W] at `to`.
 * Draws from `random` in this order, leaving out what is switched off: row and column of the crop or the translation, flip, Cutout row,
 * Cutout column. @param mirror Whether the image is mirrored where flips alternate, which no draw decides. Default: false.
 */
export function augmentImage(
  augmenter: Augmenter,
  source: Uint8Array | Float32Array,
  from: number,
  out: Float32Array,
  to: number,
  random: Random,
  mirror = false,
): void {
  const { channels, height, width, crop, translate, flip, table } = augmenter;
  const reach = Math.max(crop, translate);
  const dy = reach > 0 ? random.integer(2 * reach + 1) - reach : 0;
  const dx = reach > 0 ? random.integer(2 * reach + 1) - reach : 0;
  const flips = flip === "alternating" ? mirror : flip && random.integer(2) === 1;
  const rows = windowOf(height, dy, { reflects: translate > 0, flips: false }).shown;
  const { shown, first, last, border } = windowOf(width, dx, { reflects: translate > 0, flips });
  const step = flips ? -1 : 1;
  for (let c = 0; c < channels; c++) {
    const write = isFloat32Array(source) ? floatWriter(augmenter, c, source) : byteWriter(augmenter, c, source);
    const black = table[c << 8]!;
    for (let y = 0; y < height; y++) {
      const start = to + (c * height + y) * width;
      if (rows[y]! < 0) {
        out.fill(black, start, start + width);
        continue;
      }
      const row = from + (c * height + rows[y]!) * width;
      if (first < last) write(row + shown[first]!, step, out, start + first, last - first);
      for (const x of border)
        if (shown[x]! < 0) out[start + x] = black;
        else write(row + shown[x]!, 1, out, start + x, 1);
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
