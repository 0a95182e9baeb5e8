import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { DataError } from "../../src/core/errors.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreTrainer } from "../../src/train/checkpoint.ts";
import type { EpochMetrics, StepReport } from "../../src/train/progress.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import { stateOf, type TinyConfig, tinyConfig, tinyImages, tinyTraining } from "./tiny-training.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

/** The metrics that depend neither on the speed of the machine nor on the memory of the process. */
const timeless = ({ seconds: _, testSeconds: __, imagesPerSecond: ___, peakBytes: ____, ...metrics }: EpochMetrics) => metrics;

const configurations: fc.Arbitrary<TinyConfig> = fc.record({
  optimizer: fc.constantFrom("sgd", "adam", "adamw"),
  seed: fc.nat(1000),
  batchSize: fc.integer({ min: 2, max: 6 }),
  epochs: fc.integer({ min: 1, max: 3 }),
  dropout: fc.constantFrom(0, 0.4),
  labelSmoothing: fc.constantFrom(0, 0.1),
  evaluateEvery: fc.integer({ min: 1, max: 2 }),
});

describe("resuming", () => {
  test("from a checkpoint after any step continues bit for bit", () =>
    fc.assert(
      fc.asyncProperty(configurations, fc.array(fc.nat(12), { minLength: 1, maxLength: 2 }), async (config, stops) => {
        const whole = tinyTraining(config);
        const expected: EpochMetrics[] = [];
        await trainEpochs(whole.trainer, { ...whole.options, onEpoch: (metrics) => void expected.push(metrics) });

        const metrics: EpochMetrics[] = [];
        let { trainer, options } = tinyTraining(config);
        for (const maximumSteps of [...stops.sort((a, b) => a - b), Infinity]) {
          await trainEpochs(trainer, { ...options, maximumSteps, onEpoch: (line) => void metrics.push(line) });
          const bytes = await encodeCheckpoint(trainer, {});
          // The new trainer has another seed, so state that is not restored makes a difference.
          ({ trainer, options } = { ...tinyTraining({ ...config, seed: config.seed + 1 }), options });
          restoreTrainer(trainer, await decodeCheckpoint(bytes, "memory"));
        }
        expect(await stateOf(trainer)).toEqual(await stateOf(whole.trainer));
        expect(metrics.map(timeless)).toEqual(expected.map(timeless));
      }),
      { numRuns: 25 },
    ));

  test("repeats an interrupted evaluation as a whole", async () => {
    const whole = tinyTraining(tinyConfig);
    const expected: EpochMetrics[] = [];
    await trainEpochs(whole.trainer, { ...whole.options, onEpoch: (metrics) => void expected.push(metrics) });

    const { trainer, options } = tinyTraining(tinyConfig);
    const metrics: EpochMetrics[] = [];
    const onEpoch = (line: EpochMetrics): void => void metrics.push(line);
    const controller = new AbortController();
    const stopped = await trainEpochs(trainer, { ...options, signal: controller.signal, onEpoch, onTestBatch: () => controller.abort() });
    expect(stopped).toBe("stopped");
    expect(metrics).toEqual([]);
    expect(trainer.progress).toMatchObject({ epoch: 0, step: trainer.batchesPerEpoch });
    expect(await trainEpochs(trainer, { ...options, onEpoch })).toBe("finished");
    expect(metrics.map(timeless)).toEqual(expected.map(timeless));
    expect(await stateOf(trainer)).toEqual(await stateOf(whole.trainer));
  });
});

describe("the loop", () => {
  test("ends after the current step when aborted", async () => {
    const { trainer, options } = tinyTraining(tinyConfig);
    const controller = new AbortController();
    const steps: number[] = [];
    const onStep = ({ step }: StepReport): void => {
      steps.push(step);
      if (step === 2) controller.abort();
    };
    expect(await trainEpochs(trainer, { ...options, signal: controller.signal, onStep })).toBe("stopped");
    expect(steps).toEqual([1, 2]);
    expect(trainer.steps).toBe(2);
  });

  test("takes means over images, for batches of any size", async () => {
    const { trainer, options } = tinyTraining({ ...tinyConfig, batchSize: 4, epochs: 1 });
    const reports: StepReport[] = [];
    let metrics: EpochMetrics | undefined;
    await trainEpochs(trainer, {
      ...options,
      onStep: (report) => void reports.push(report),
      onEpoch: (line) => {
        metrics = line;
      },
    });
    const sizes = [4, 4, 2];
    const mean = reports.reduce((total, { loss }, i) => total + loss * sizes[i]!, 0) / 10;
    expect(reports.map(({ tally }) => tally.count)).toEqual([4, 8, 10]);
    expect(metrics?.trainLoss).toBeCloseTo(mean, 12);
    expect(metrics?.learningRate).toBe(reports.at(-1)?.learningRate);
  });

  test("evaluates after every `evaluateEvery` epochs, and after the last one", async () => {
    const { trainer, options } = tinyTraining({ ...tinyConfig, epochs: 5, evaluateEvery: 2 });
    const tested: boolean[] = [];
    await trainEpochs(trainer, { ...options, onEpoch: ({ testLoss }) => void tested.push(testLoss !== null) });
    expect(tested).toEqual([false, true, false, true, true]);
  });

  test("holds no more memory after many steps than after one", async () => {
    const { trainer, options } = tinyTraining({ ...tinyConfig, epochs: 4 });
    const held: string[] = [];
    await trainEpochs(trainer, { ...options, onStep: () => void held.push(`${memory().storages} ${memory().used}`) });
    expect(new Set(held).size).toBe(1);
  });

  test("learns: the loss on the training images falls to less than half", async () => {
    const { trainer, options } = tinyTraining({ ...tinyConfig, epochs: 60, dropout: 0, labelSmoothing: 0, rate: 0.1, evaluateEvery: 60 });
    const losses: number[] = [];
    await trainEpochs(trainer, { ...options, onEpoch: ({ trainLoss }) => void losses.push(trainLoss) });
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });

  test("closes its iterator of batches, however it ends", async () => {
    for (const end of ["finished", "stopped", "failed"] as const) {
      const { trainer, options } = tinyTraining({ ...tinyConfig, epochs: 1 });
      let closed = 0;
      async function* watched(epoch: number, start: number) {
        try {
          yield* options.trainBatches(epoch, start);
        } finally {
          closed++;
        }
      }
      const onStep = (): void => {
        if (end === "failed") throw new Error("stop");
      };
      const run = trainEpochs(trainer, { ...options, trainBatches: watched, onStep, maximumSteps: end === "stopped" ? 1 : Infinity });
      await (end === "failed" ? expect(run).rejects.toThrow("stop") : run);
      expect(closed).toBe(1);
    }
  });
});

describe("numbers that are not finite", () => {
  test("in the loss: the error names the value, step, epoch and learning rate", async () => {
    const { trainer, options } = tinyTraining(tinyConfig);
    const fail = trainEpochs(trainer, {
      ...options,
      onStep: ({ epoch, step }) => {
        if (epoch === 1 && step === 1) trainer.model.parameters().get("fc.bias")!.write([0, Number.NaN, 0]);
      },
    });
    await expect(fail).rejects.toThrow(DataError);
    await expect(fail).rejects.toThrow(
      /the loss must be finite, got NaN at step 2 of epoch 2 \(learning rate 0\.0\d+\); lower the learning rate/,
    );
  });

  test("in the images: the same error", async () => {
    const { trainer, options } = tinyTraining(tinyConfig);
    function* poisoned(epoch: number, start: number) {
      for (const batch of options.trainBatches(epoch, start) as Iterable<{ images: Float32Array }>) {
        batch.images[5] = Number.POSITIVE_INFINITY;
        yield batch;
      }
    }
    const fail = trainEpochs(trainer, { ...options, trainBatches: poisoned as typeof options.trainBatches });
    await expect(fail).rejects.toThrow(/the loss must be finite, got NaN at step 1 of epoch 1/);
  });

  test("in the test loss: an error is thrown before the epoch is reported", async () => {
    const { trainer, options } = tinyTraining(tinyConfig);
    const last = Math.ceil(tinyImages.train.count / tinyConfig.batchSize);
    let reported = false;
    const fail = trainEpochs(trainer, {
      ...options,
      onStep: ({ step }) => {
        if (step === last) trainer.model.parameters().get("fc.bias")!.write([0, Number.NaN, 0]);
      },
      onEpoch: () => {
        reported = true;
      },
    });
    await expect(fail).rejects.toThrow(/the test loss must be finite, got NaN after epoch 1/);
    expect(reported).toBe(false);
  });
});
