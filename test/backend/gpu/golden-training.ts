/** The bounds that a recorded training step must keep on a device. */

import { expect } from "vitest";
import type { TrainingReport } from "./recorded-training.ts";

/** The largest number of launches of a step of WRN-10-1 after the first one, for every family (docs/gpu.md). */
export const launchBounds: Readonly<Record<string, number>> = {
  Conv: 105,
  Sep: 140,
  ACDC_3: 230,
  OriginalACDC_3: 230,
  PlainACDC_3: 230,
  "Hashed_0.20": 140,
  HashedDecimate: 140,
  "SepHashed_0.20": 170,
  SepHashedDecimate: 170,
  "HashedSeparable_0.20": 210,
  "Generic_0.1": 150,
  "LR_0.1": 170,
  "TensorTrain_0.3": 180,
  "Tucker_0.2": 235,
  "CP_0.2": 195,
  Shuffle_4: 190,
  Monarch_4: 190,
  BlockTensorTrain_2: 190,
  NormedBlockTensorTrain_2: 240,
  MatrixTensorTrain_8: 180,
  Kronecker_4: 160,
  "BLAST_0.2": 190,
  Butterfly: 200,
};

/** The groups of tensors that every record holds. */
export const recordGroups = ["loss", "logits", "gradients", "bn1", "after1"] as const;

/** Expects every number within the tolerance, the launches within their bound, no readback before the loss, and no storage left behind. */
export function expectRecorded(convolution: string, { steps, lossReads, deviations, leftover }: TrainingReport, tolerance: number): void {
  for (const [group, { tensor, error }] of Object.entries(deviations)) expect(error, `${group}: ${tensor}`).toBeLessThanOrEqual(tolerance);
  for (const [number, { launches, readbacks, uploads, seen }] of steps.entries()) {
    expect({ readbacks, seen }).toEqual({ readbacks: 0, seen: 0 });
    // The first step brings the parameters together and uploads tables.
    if (number > 0) expect(launches).toBeLessThanOrEqual(launchBounds[convolution]!);
    expect(uploads).toBeLessThan(launches / 10);
  }
  expect(lossReads.readbacks).toBe(1);
  expect(leftover).toEqual({ storages: 0, handles: 0 });
}
