/**
 * The random resized crop of the recipe for ImageNet (Szegedy et al. 2015, arXiv 1409.4842, §6; torchvision's RandomResizedCrop): a part
 * of an image whose area and aspect are random.
 */

import type { Random } from "../core/random.ts";

/** A rectangle of an image, in pixels. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The share of the image's area is uniform over this range. */
const area = [0.08, 1] as const;
/** The logarithm of width/height is uniform between the logarithms of these. */
const aspect = [3 / 4, 4 / 3] as const;
/** A part that does not fit into the image is drawn again so often. */
const attempts = 10;

/**
 * Draws a part of an image. When no part fits after ten attempts, it is the largest part in the middle whose aspect is in the range.
 * Each attempt draws area and aspect, and the last one also draws left and top.
 */
export function randomRegion(width: number, height: number, random: Random): Region {
  const [least, most] = aspect;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const target = width * height * (area[0] + (area[1] - area[0]) * random.uniform());
    const ratio = Math.exp(Math.log(least) + (Math.log(most) - Math.log(least)) * random.uniform());
    const [w, h] = [Math.round(Math.sqrt(target * ratio)), Math.round(Math.sqrt(target / ratio))];
    if (w >= 1 && w <= width && h >= 1 && h <= height)
      return { left: random.integer(width - w + 1), top: random.integer(height - h + 1), width: w, height: h };
  }
  const w = Math.min(width, Math.max(1, Math.round(height * most)));
  const h = Math.min(height, Math.max(1, Math.round(width / least)));
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}
