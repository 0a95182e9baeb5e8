/** What a training run reports while it works, and what it comes to. The command line turns these events into bars, lines and JSON. */

import type { DataProgress } from "../../data/node/cifar.ts";
import type { Profile } from "../../nn/profile.ts";
import type { Evaluation } from "../../train/evaluate.ts";
import type { RunFolder } from "../../train/node/run-folder.ts";
import type { EpochMetrics, StepReport } from "../../train/progress.ts";
import type { Trainer } from "../../train/trainer.ts";
import type { RunConfig } from "../run-config.ts";
import type { Images } from "./load-images.ts";
import type { Session } from "./session.ts";

/** A run that is ready for its next step. */
export interface StartedRun {
  readonly config: RunConfig;
  readonly images: Images;
  readonly folder: RunFolder;
  readonly session: Session;
  /** Whether the run began earlier. */
  readonly resumed: boolean;
  /** Whether the folder holds a checkpoint of the trainer's state. A run that was killed before its first one is resumed without. */
  readonly saved: boolean;
}

export interface TrainOutcome {
  /** A stopped run has been saved and can be resumed. */
  readonly result: "finished" | "stopped";
  /** The test after the last epoch; undefined when this call did not train that epoch. */
  readonly evaluation: Evaluation | undefined;
  readonly images: Images;
  readonly folder: RunFolder;
  readonly trainer: Trainer;
}

/** The methods are called in the order of the work. None of them is needed. */
export interface TrainObserver {
  /** A download or a conversion of the images has come further. */
  data?(progress: DataProgress): void;
  start?(run: StartedRun): void;
  step?(report: StepReport): void;
  /** So many test images have been classified. */
  testBatch?(done: number): void;
  /** The epoch has been saved. */
  epoch?(metrics: EpochMetrics): void;
  /** One step has been profiled, as the option `profile` asked. */
  profile?(profile: Profile): void;
  /** Something that the user should know. */
  note?(text: string): void;
}

/** How the caller follows a run and stops it. */
export interface TrainControl {
  /** Stops the run after the step that it is computing. The run saves itself and resolves to `stopped`. */
  readonly signal?: AbortSignal | undefined;
  readonly observer?: TrainObserver | undefined;
}
