/** The bounds that a recorded training step must keep on a device. */

import { expect } from "vitest";
import type { TrainingReport } from "./recorded-training.ts";

/**
 * The largest number of launches of a step. Steps with a bound above 400 consist of more than 400 ops. A separable convolution and a
 * ShuffleNet block compute their window again for the gradient, which is one launch more for each.
 */
export const launchBounds: Readonly<Record<string, number>> = {
  Conv: 275,
  Shuffle_4: 375,
  ACDC_3: 500,
  "TensorTrain_0.3": 435,
  "SepHashed_0.20": 375,
  Monarch_4: 385,
};

/** The groups of tensors that every record holds. */
export const recordGroups = ["loss", "logits", "gradients", "bn1", "after1"] as const;

/** Expects every number within the tolerance, the launches within their bound, no readback before the loss, and no storage left behind. */
export function expectRecorded(convolution: string, { steps, lossReads, deviations, leftover }: TrainingReport, tolerance: number): void {
  for (const [group, { tensor, error }] of Object.entries(deviations)) expect(error, `${group}: ${tensor}`).toBeLessThanOrEqual(tolerance);
  for (const { launches, readbacks, uploads, seen } of steps) {
    expect({ readbacks, seen }).toEqual({ readbacks: 0, seen: 0 });
    expect(launches).toBeLessThan(launchBounds[convolution]!);
    expect(uploads).toBeLessThan(launches / 10);
  }
  expect(lossReads.readbacks).toBe(1);
  expect(leftover).toEqual({ storages: 0, handles: 0 });
}
