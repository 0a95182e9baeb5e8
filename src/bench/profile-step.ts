/** Profiles a training step on a device: the time of each program, and the traffic between host and device. */

import { kernels } from "../backend/active.ts";
import type { AdapterReport } from "../backend/gpu/adapter.ts";
import type { DeviceCounters } from "../backend/gpu/device-stream.ts";
import type { GpuBackend } from "../backend/gpu/gpu-backend.ts";
import { Random } from "../core/random.ts";
import type { Batch } from "../data/batches.ts";
import { Buffer } from "../nn/state.ts";
import { Sgd } from "../train/sgd.ts";
import { Trainer } from "../train/trainer.ts";
import { type MeasureOptions, measure } from "./measure.ts";
import { type MeasuredRow, measuredRow, rounded } from "./measured-row.ts";
import { operandValues, stepImageShape, stepLabels, stepNetwork, stepRates } from "./workload.ts";

/** The launches and the time of one program in one step. */
export interface ProgramRow {
  readonly program: string;
  readonly launches: number;
  readonly ms: number;
  /** The share of the time of all programs. */
  readonly share: number;
}

/** A repetition is a step without profiling, from the batch to its loss. */
export interface StepProfile extends MeasuredRow {
  readonly adapter: AdapterReport;
  /** Counted in one step, as are the three fields below. */
  readonly launches: number;
  readonly uploads: number;
  readonly uploadedBytes: number;
  readonly readbacks: number;
  /** The slowest program comes first. The profile waits after every launch, so the sum of the times is more than the time of a step. */
  readonly programs: readonly ProgramRow[];
}

const counted = ["launches", "uploads", "uploadedBytes", "readbacks"] as const satisfies readonly (keyof DeviceCounters)[];

/**
 * Profiles the step of `train` on `batch` images: WRN-10-1, SGD with momentum, images and labels uploaded, loss and correct answers read.
 */
export async function profileStep(backend: GpuBackend, batch: number, options: MeasureOptions): Promise<StepProfile> {
  const problem = { kind: "trainingStep", depth: 10, width: 1, batch, convolution: "Conv" } as const;
  const model = stepNetwork(problem);
  const { learningRate, momentum, weightDecay } = stepRates;
  const optimizer = new Sgd([{ parameters: model.parameters(), weightDecay }], { momentum });
  const [, channels, height, width] = stepImageShape(problem) as [number, number, number, number];
  const trainer = new Trainer({
    model,
    optimizer,
    schedule: () => learningRate,
    imageShape: [channels, height, width],
    batchesPerEpoch: Number.MAX_SAFE_INTEGER,
    random: new Random(0),
  });
  const [images, labels] = [new Float32Array(operandValues(stepImageShape(problem), 0)), new Int32Array(stepLabels(problem))];
  const given: Batch = { index: 0, count: batch, images, labels };
  const step = async (): Promise<void> => void (await trainer.step(given));
  try {
    // The first step compiles the programs and initialises the momentum, so it is not counted.
    await step();
    const before = backend.counters();
    await step();
    const after = backend.counters();
    const [launches, uploads, uploadedBytes, readbacks] = counted.map((name) => after[name] - before[name]) as [
      number,
      number,
      number,
      number,
    ];
    kernels().resetPeak();
    const timing = await measure(step, options);
    backend.startProfile();
    await step();
    const times = await backend.endProfile();
    const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    return {
      ...measuredRow(`wrn-10-1-profile-b${batch}`, timing),
      adapter: backend.adapter,
      ...{ launches, uploads, uploadedBytes, readbacks },
      programs: times.map(({ name, launches, milliseconds }) => ({
        program: name,
        launches,
        ms: rounded(milliseconds),
        share: total === 0 ? 0 : rounded(milliseconds / total),
      })),
    };
  } finally {
    model.dispose();
    for (const state of optimizer.state().values()) if (state instanceof Buffer) state.value.dispose();
  }
}
