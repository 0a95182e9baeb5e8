/** Which trainings are held against which records, and how they are judged. */

import { expect } from "vitest";
import type { TrainingReport } from "./recorded-training.ts";

/** Launches that a step may take. Where the bound is above 400, the step has more than 400 ops of its own to do. */
export const launchBounds: Readonly<Record<string, number>> = {
  Conv: 300,
  Shuffle_4: 400,
  ACDC_3: 500,
  "TensorTrain_0.3": 440,
  "SepHashed_0.20": 400,
  Monarch_4: 400,
};

export const groupsOfRecord = ["loss", "logits", "gradients", "bn1", "after1"] as const;

/** Every number near its record, the launches in bounds, nothing read before the loss, nothing left behind. */
export function judge(convolution: string, { steps, lossReads, deviations, leftover }: TrainingReport, tolerance: number): void {
  for (const [group, { tensor, error }] of Object.entries(deviations)) expect(error, `${group}: ${tensor}`).toBeLessThanOrEqual(tolerance);
  for (const { launches, readbacks, uploads, seen } of steps) {
    expect({ readbacks, seen }).toEqual({ readbacks: 0, seen: 0 });
    expect(launches).toBeLessThan(launchBounds[convolution]!);
    expect(uploads).toBeLessThan(launches / 10);
  }
  expect(lossReads.readbacks).toBe(1);
  expect(leftover).toEqual({ storages: 0, handles: 0 });
}
