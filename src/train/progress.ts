/** How far a training has come, and the results of its steps and epochs. All of it is plain numbers, as a run's files hold them. */

/** Sums over the steps of an epoch so far. The means of the epoch are computed from them. */
export interface Tally {
  /** Images seen. */
  readonly count: number;
  /** Sum of the images' losses. */
  readonly loss: number;
  /** Images whose prediction was right. */
  readonly correct: number;
  readonly seconds: number;
  /** The largest number of bytes that the backend held at once. */
  readonly peakBytes: number;
}

/** How far training has come. */
export interface Progress {
  /** Finished epochs. */
  readonly epoch: number;
  /** Finished steps of the current epoch. */
  readonly step: number;
  /** Sums over the current epoch. */
  readonly tally: Tally;
}

/** The progress before the first step. */
export const untrained: Progress = { epoch: 0, step: 0, tally: { count: 0, loss: 0, correct: 0, seconds: 0, peakBytes: 0 } };

/** The progress after a step, with the step's own numbers. */
export interface StepReport extends Progress {
  readonly learningRate: number;
  /** Mean cross-entropy over this step's batch. */
  readonly loss: number;
}

/** The results of an epoch. Losses are means over images, and accuracies are shares in [0, 1]. */
export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** Null when the network was not evaluated after this epoch. */
  readonly testLoss: number | null;
  /** Null when the network was not evaluated after this epoch. */
  readonly testAccuracy: number | null;
  /** Those of the average of the weights, in an epoch with an evaluation. Absent if the optimiser keeps no average. */
  readonly averagedTestLoss?: number;
  readonly averagedTestAccuracy?: number;
  /** The learning rate of the epoch's last step. */
  readonly learningRate: number;
  /** Time of the training steps. */
  readonly seconds: number;
  /** Time of the evaluation. */
  readonly testSeconds: number;
  /** Training images per second. */
  readonly imagesPerSecond: number;
  /** The largest number of bytes that the backend held at once. */
  readonly peakBytes: number;
}
