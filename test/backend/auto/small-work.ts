/** The kernels of a calibration in sizes that every backend computes quickly, software adapters included. */

import type { CalibrationWork } from "../../../src/backend/auto/calibration.ts";

export const smallWork: CalibrationWork = {
  batch: 1,
  convolutions: [
    { inChannels: 3, outChannels: 4, window: 3, stride: 1, size: 8 },
    { inChannels: 4, outChannels: 8, window: 3, stride: 2, size: 8 },
  ],
  norms: [{ channels: 8, size: 4 }],
  linear: { inFeatures: 8, outFeatures: 2 },
};
