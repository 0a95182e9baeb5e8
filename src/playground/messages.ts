/** What the page and the worker tell each other. Each message is one object with a `kind`. */

import type { Costs } from "./costs.ts";
import type { PlaygroundSettings, RunName } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";

/** Pictures of a visitor, scaled by the page. */
export interface Pictures {
  readonly classes: readonly string[];
  /** [count,3,32,32], in bytes. */
  readonly images: Uint8Array;
  /** [count]: indices into the classes. */
  readonly labels: Uint8Array;
}

export type Request =
  /** Prepares new runs and trains them. */
  | { readonly kind: "start"; readonly settings: PlaygroundSettings; readonly pictures?: Pictures | undefined }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  /** Makes one step of each run, and pauses. */
  | { readonly kind: "step" }
  /** Forgets the runs. */
  | { readonly kind: "reset" }
  /** Puts the nearest convolutions of another family in the place of those of a run, before its next step. */
  | { readonly kind: "change-family"; readonly run: RunName; readonly conv: string }
  /** Chooses the run and the layer that pictures are made of. */
  | { readonly kind: "look"; readonly run: RunName; readonly layer: string | undefined }
  /** Classifies an image:[3,32,32] with every run. */
  | { readonly kind: "classify"; readonly image: Uint8Array }
  /** Asks for the checkpoint of a run. */
  | { readonly kind: "save"; readonly run: RunName }
  /** Goes on with the checkpoint of a run, as the only run. */
  | { readonly kind: "open"; readonly name: string; readonly bytes: Uint8Array; readonly pictures?: Pictures | undefined };

export type Status = "idle" | "preparing" | "running" | "paused" | "finished";

/** The backend that computes. */
export interface BackendFacts {
  readonly name: string;
  readonly threads: number;
  readonly simd: string | undefined;
  /** The graphics device; undefined for other backends. A software adapter computes on the processor. */
  readonly adapter: { readonly name: string; readonly software: boolean } | undefined;
  /** Why a faster way is not taken. */
  readonly notes: readonly string[];
}

/** The network of a run, and its cost. */
export interface RunFacts extends Costs {
  readonly run: RunName;
  readonly conv: string;
  /** The layers that pictures can be made of. */
  readonly layers: readonly string[];
}

/** The images of the runs. */
export interface ImageFacts {
  readonly classes: readonly string[];
  /** The numbers of images to train on and to test on. */
  readonly counts: { readonly train: number; readonly test: number };
  /** The first training images of each class:[samples,3,32,32], in bytes. */
  readonly samples: Uint8Array;
}

/** A finished step of a run. */
export interface StepFacts {
  readonly run: RunName;
  /** Finished steps since the start of the run. */
  readonly step: number;
  readonly epoch: number;
  /** Mean cross-entropy over the batch. */
  readonly loss: number;
  /** Share of the images of this epoch so far that were classified rightly while training. */
  readonly accuracy: number;
  readonly learningRate: number;
  /** Images trained on per second of this run's own steps, over the last steps. */
  readonly imagesPerSecond: number;
}

/** A test of a run on all test images. */
export interface TestFacts {
  readonly run: RunName;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  /** confusion[label][prediction] is a number of images. */
  readonly confusion: readonly (readonly number[])[];
}

export type Report =
  | { readonly kind: "status"; readonly status: Status }
  | { readonly kind: "backend"; readonly backend: BackendFacts }
  /** The settings with the threads and the build that compute: a link of them replays the runs. */
  | {
      readonly kind: "prepared";
      readonly settings: PlaygroundSettings;
      readonly images: ImageFacts;
      readonly runs: readonly RunFacts[];
      readonly batchesPerEpoch: number;
    }
  | ({ readonly kind: "step" } & StepFacts)
  | ({ readonly kind: "test" } & TestFacts)
  /** The settings after a change of a family, which they record. */
  | { readonly kind: "settings"; readonly settings: PlaygroundSettings }
  | { readonly kind: "changed"; readonly facts: RunFacts; readonly step: number; readonly relativeError: number }
  | { readonly kind: "snapshot"; readonly run: RunName; readonly snapshot: Snapshot }
  | { readonly kind: "classified"; readonly results: readonly { readonly run: RunName; readonly probabilities: readonly number[] }[] }
  | { readonly kind: "checkpoint"; readonly run: RunName; readonly name: string; readonly bytes: Uint8Array }
  | { readonly kind: "note"; readonly note: string }
  /** A request that was refused, or a run that broke. The status says what goes on. */
  | { readonly kind: "failed"; readonly during: Request["kind"] | "training"; readonly message: string };
