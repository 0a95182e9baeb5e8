/** Augmentation written as text: `crop:4,flip,cutout:16`. */

import { ConfigError } from "../core/errors.ts";
import type { Augmentation } from "../data/augment.ts";

/** The padding and the side in pixels where the text gives none. */
const sizes = { crop: 4, cutout: 16 } as const;

/** The allowed texts, in words that complete "must be …". */
export const augmentationForms =
  "none, or of crop[:padding], flip, cutout[:side], resized-crop, separated by commas " +
  `(crop is crop:${sizes.crop}, cutout is cutout:${sizes.cutout})`;

/** Parses the text of an augmentation. @throws ConfigError for a text that has none of the forms in `augmentationForms`. */
export function parseAugmentation(text: string): Augmentation {
  if (text === "none") return {};
  const augmentation: { crop?: number; flip?: boolean; cutout?: number; resizedCrop?: boolean } = {};
  for (const part of text.split(",")) {
    if (part.trim() === "resized-crop" && augmentation.resizedCrop === undefined) {
      augmentation.resizedCrop = true;
      continue;
    }
    const [, name, size] = /^(crop|flip|cutout)(?::([1-9]\d?))?$/.exec(part.trim()) ?? [];
    if (name === undefined || name in augmentation || (name === "flip" && size !== undefined))
      throw new ConfigError(`augment: must be ${augmentationForms}, got "${text}"`);
    if (name === "flip") augmentation.flip = true;
    else augmentation[name as keyof typeof sizes] = size === undefined ? sizes[name as keyof typeof sizes] : Number(size);
  }
  return augmentation;
}
