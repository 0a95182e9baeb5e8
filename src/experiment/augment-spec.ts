/** Augmentation written as text: `crop:4,flip,cutout:16`. */

import { ConfigError } from "../core/errors.ts";
import type { Augmentation } from "../data/augment.ts";

/** The numbers of each part where the text gives none. */
const usual = { crop: 4, translate: 2, cutout: 16, mixup: 0.2 } as const;

/** What each part of the text stands for. A part that takes a number matches it as its first group. */
const parts: readonly (readonly [form: RegExp, meaning: (size: string | undefined) => Augmentation])[] = [
  [/^crop(?::([1-9]\d?))?$/, (size) => ({ crop: Number(size ?? usual.crop) })],
  [/^translate(?::([1-9]\d?))?$/, (size) => ({ translate: Number(size ?? usual.translate) })],
  [/^flip$/, () => ({ flip: true })],
  [/^flip:alternating$/, () => ({ flip: "alternating" })],
  [/^cutout(?::([1-9]\d?))?$/, (size) => ({ cutout: Number(size ?? usual.cutout) })],
  [/^mixup(?::(1|0?\.\d{1,3}))?$/, (alpha) => ({ mixup: Number(alpha ?? usual.mixup) })],
  [/^resized-crop$/, () => ({ resizedCrop: true })],
];

/** The allowed texts, in words that complete "must be …". */
export const augmentationForms =
  "none, or of crop[:padding], translate[:pixels], flip[:alternating], cutout[:side], mixup[:alpha], resized-crop, separated by commas " +
  `(crop is crop:${usual.crop}, translate is translate:${usual.translate}, cutout is cutout:${usual.cutout}, mixup is mixup:${usual.mixup})`;

/** Parses the text of an augmentation. @throws ConfigError for a text that has none of the forms in `augmentationForms`. */
export function parseAugmentation(text: string): Augmentation {
  if (text === "none") return {};
  let augmentation: Augmentation = {};
  for (const part of text.split(",")) {
    const meant = parts.flatMap(([form, meaning]) => {
      const found = form.exec(part.trim());
      return found === null ? [] : [meaning(found[1])];
    })[0];
    const twice = meant !== undefined && Object.keys(meant).some((name) => name in augmentation);
    if (meant === undefined || twice || ("crop" in { ...augmentation, ...meant } && "translate" in { ...augmentation, ...meant }))
      throw new ConfigError(`augment: must be ${augmentationForms}, got "${text}"`);
    augmentation = { ...augmentation, ...meant };
  }
  return augmentation;
}
