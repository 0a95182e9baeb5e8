/** Some synthetic images for the page to show before a run has been started. */

import { paintSyntheticSet } from "../../experiment/synthetic-set.ts";
import { samplesOf } from "../images.ts";

/** Two images of each class. */
export function firstSamples(): { readonly classes: readonly string[]; readonly samples: Uint8Array } {
  const painting = paintSyntheticSet({ limitTrain: 20, limitTest: 1 });
  for (;;) {
    const { done, value } = painting.next();
    if (done) return { classes: value.classes, samples: samplesOf(value, 2) };
  }
}
