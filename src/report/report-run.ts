/** One run as a report shows it: plain data, wherever it came from. */

import type { EpochMetrics } from "../train/trainer.ts";

/** Values in [0, 1], pixel by pixel; of three channels red, green and blue stand together. */
export interface ReportPicture {
  readonly kind: "attention" | "filters" | "image";
  readonly caption: string;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly values: Float32Array;
}

export interface ReportRun {
  /** The run folder's. */
  readonly name: string;
  /** `wrn-10-1`. */
  readonly network: string;
  /** `TensorTrain_0.44`. */
  readonly convolution: string;
  /** The teacher's network, for a student. */
  readonly teacher: string | undefined;
  readonly seed: number;
  readonly data: string;
  readonly parameters: number;
  /** By the paper's convention. */
  readonly paperMultAdds: number;
  /** As executed. */
  readonly multAdds: number;
  /** Share of the test images taken for another class: after the last epoch, and after the best. */
  readonly error: number | undefined;
  readonly bestError: number | undefined;
  readonly seconds: number;
  /** Whether it has come to its last epoch; plots of results show only those. */
  readonly finished: boolean;
  readonly epochs: readonly EpochMetrics[];
  /** Of the best epoch: confusion[label][prediction] images. */
  readonly confusion: readonly (readonly number[])[] | undefined;
  readonly classes: readonly string[];
  readonly pictures: readonly ReportPicture[];
}
