/** The plain data of a run that a report shows. */

import type { EpochMetrics } from "../train/progress.ts";

/** Numbers in [0, 1] as pixels. A pixel is red, green and blue, or one number, which is shown by a scale of colours. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** [height,width,channels]. */
  readonly values: ArrayLike<number>;
}

export interface ReportPicture extends Picture {
  readonly kind: "attention" | "filters" | "image";
  readonly caption: string;
}

export interface ReportRun {
  /** The name of the run's folder. */
  readonly name: string;
  /** Such as `wrn-10-1`. */
  readonly network: string;
  /** Such as `TensorTrain_0.44`. */
  readonly convolution: string;
  /** The teacher's network; undefined for a run without a teacher. */
  readonly teacher: string | undefined;
  readonly seed: number;
  readonly data: string;
  readonly parameters: number;
  /** Multiply-adds for one image, counted by the paper's convention. */
  readonly paperMultAdds: number;
  /** Multiply-adds for one image that this library executes. */
  readonly multAdds: number;
  /** Milliseconds of a training step, measured; undefined where the report has not measured it. */
  readonly milliseconds?: number | undefined;
  /** Test error, as a share, after the last epoch. */
  readonly error: number | undefined;
  /** The smallest test error, as a share, after any epoch. */
  readonly bestError: number | undefined;
  /** Time of training. */
  readonly seconds: number;
  /** Whether the run has reached its last epoch. Plots of test errors show finished runs only. */
  readonly finished: boolean;
  readonly epochs: readonly EpochMetrics[];
  /** Of the best epoch: confusion[label][prediction] is a number of images. */
  readonly confusion: readonly (readonly number[])[] | undefined;
  readonly classes: readonly string[];
  readonly pictures: readonly ReportPicture[];
}
