import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/core/errors.ts";
import { type Batch, type EpochOptions, epochBatches } from "../../../src/data/batches.ts";
import { isStreamed, type SplitName } from "../../../src/data/dataset.ts";
import { BatchLoader } from "../../../src/data/node/batch-loader.ts";
import { imageFolder } from "../../../src/data/node/image-folder.ts";
import { prefetchBatches } from "../../../src/data/node/prefetch-batches.ts";
import { augmentations, sampleDataset, seeds, sizes } from "../arbitraries.ts";
import { compileData } from "./compiled-data.ts";
import { classesOf, writeFolder } from "./picture-folder.ts";
import { temporaryFolder } from "./small-cifar.ts";
import { watchWorkers } from "./watch-workers.ts";

let compiled: ReturnType<typeof compileData>;
const moduleUrl = (file: string): URL => pathToFileURL(join(compiled.folder, "data/node", file));
beforeAll(() => {
  compiled = compileData();
});
afterAll(() => compiled.remove());

/** Fails the test when the workers are not used. */
const onMainThread = (reason: string): void => {
  throw new Error(`fell back to the main thread: ${reason}`);
};

const copyOf = (batch: Batch): Batch => ({ ...batch, images: batch.images.slice() });

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(copyOf(batch));
  return all;
}

/** An epoch of a set with `count` images, and the number of batches after which the caller leaves it. */
interface Visit {
  readonly split: SplitName;
  readonly options: EpochOptions;
  readonly taken: number;
}

const visits = (count: number): fc.Arbitrary<Visit[]> =>
  fc.array(
    fc
      .record({
        split: fc.constantFrom("train" as const, "test" as const),
        epoch: fc.record({
          batchSize: fc.integer({ min: 1, max: 12 }),
          seed: seeds,
          epoch: fc.nat(100),
          shuffle: fc.boolean(),
          augment: augmentations,
          reuse: fc.boolean(),
        }),
        start: fc.nat(),
        taken: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 6 })),
      })
      .map(({ split, epoch, start, taken }) => {
        const startBatch = start % (Math.ceil(count / epoch.batchSize) + 1);
        return { split, options: { ...epoch, startBatch }, taken };
      }),
    { minLength: 1, maxLength: 5 },
  );

const generated = sizes.chain((s) => fc.tuple(fc.constant(s), visits(s.count)));
const sample = sampleDataset({ count: 40, channels: 3, height: 6, width: 5 });
const options: EpochOptions = { batchSize: 4, seed: 3, epoch: 2, shuffle: true, augment: { crop: 2, flip: true, cutout: 2 } };

describe("BatchLoader", () => {
  it("yields the bits of epochBatches epoch after epoch, resumed or left early, from one worker", async () => {
    await fc.assert(
      fc.asyncProperty(generated, fc.integer({ min: 1, max: 4 }), async ([s, epochs], depth) => {
        const workers = { started: 0 };
        const watch = (): void => void workers.started++;
        process.on("worker", watch);
        const dataset = sampleDataset(s);
        const loader = new BatchLoader(dataset, { depth, workerUrl: moduleUrl("batch-worker.js"), onMainThread });
        try {
          let wanted = false;
          for (const { split, options, taken } of epochs) {
            const expected = [...epochBatches(dataset, split, { ...options, reuse: false })];
            wanted ||= expected.length > 0;
            let [index, before]: [number, Batch | undefined] = [0, undefined];
            for await (const batch of loader.batches(split, options)) {
              expect(batch).toEqual(expected[index]);
              // The batch before is intact until the next but one is asked for.
              if (before) expect(before).toEqual(expected[index - 1]);
              before = batch;
              if (++index >= taken) break;
            }
            expect(index).toBe(Math.min(taken, expected.length));
          }
          expect(workers.started).toBe(wanted ? 1 : 0);
        } finally {
          process.off("worker", watch);
          await loader.close();
        }
      }),
      { numRuns: 25 },
    );
  });

  it("keeps epochs that run at the same time apart", async () => {
    const loader = new BatchLoader(sample, { workerUrl: moduleUrl("batch-worker.js"), onMainThread });
    const epochs: EpochOptions[] = [options, { ...options, epoch: 5, reuse: true }, { ...options, batchSize: 7, reuse: true, augment: {} }];
    const running = epochs.map((epoch) => loader.batches("train", epoch));
    const expected = epochs.map((epoch) => [...epochBatches(sample, "train", { ...epoch, reuse: false })]);
    for (let index = 0; index < 10; index++)
      for (const [e, batches] of running.entries()) {
        const { value } = await batches.next();
        expect(value ?? undefined).toEqual(expected[e]![index]);
      }
    await loader.close();
  });

  it("writes the images of an epoch into depth + 2 places when they are used again, and into new memory otherwise", async () => {
    const loader = new BatchLoader(sample, { depth: 1, workerUrl: moduleUrl("batch-worker.js"), onMainThread });
    const placesOf = async (reuse: boolean): Promise<number> => {
      const places = new Set<ArrayBufferLike>();
      for await (const { images } of loader.batches("train", { ...options, reuse })) places.add(images.buffer);
      return places.size;
    };
    expect([await placesOf(true), await placesOf(false)]).toEqual([3, 10]);
    await loader.close();
  });

  it("ends its worker when it is closed, and starts another for batches that are asked for later", async () => {
    const workers = watchWorkers();
    const loader = new BatchLoader(sample, { workerUrl: moduleUrl("batch-worker.js"), onMainThread });
    await loader.close();
    expect(workers).toEqual({ started: 0, ended: 0 });
    for (const epoch of [0, 1]) await collect(loader.batches("train", { ...options, epoch }));
    expect(workers).toEqual({ started: 1, ended: 0 });
    await loader.close();
    expect(workers).toEqual({ started: 1, ended: 1 });
    expect(await collect(loader.batches("test", options))).toEqual([...epochBatches(sample, "test", options)]);
    await loader.close();
    expect(workers).toEqual({ started: 2, ended: 2 });
  });

  it("goes on with the same bits on the calling thread when it is closed within an epoch", async () => {
    const reasons: string[] = [];
    const note = (reason: string): void => void reasons.push(reason);
    const loader = new BatchLoader(sample, { workerUrl: moduleUrl("batch-worker.js"), onMainThread: note });
    const batches = loader.batches("train", options);
    const first = (await batches.next()).value as Batch;
    await loader.close();
    expect([first, ...(await collect(batches))]).toEqual([...epochBatches(sample, "train", options)]);
    expect(reasons).toEqual(["it was closed"]);
  });

  it("reports why a worker failed, goes on with the same bits, and tries a new worker in the next epoch", async () => {
    const file = join(await temporaryFolder(), "fails.mjs");
    await writeFile(
      file,
      `import { parentPort, workerData } from "node:worker_threads";
       import ${JSON.stringify(moduleUrl("batch-worker.js").href)};
       parentPort.on("message", ({ index }) => { if (index === 5) throw new Error("no memory for batch 5"); });`,
    );
    const workers = watchWorkers();
    const reasons: string[] = [];
    const note = (reason: string): void => void reasons.push(reason);
    const loader = new BatchLoader(sample, { workerUrl: pathToFileURL(file), onMainThread: note });
    for (const epoch of [0, 1]) {
      const expected = [...epochBatches(sample, "train", { ...options, epoch })];
      expect(await collect(loader.batches("train", { ...options, epoch, reuse: epoch === 1 }))).toEqual(expected);
    }
    await loader.close();
    expect(reasons).toEqual(Array(2).fill("the worker failed: no memory for batch 5"));
    expect(workers).toEqual({ started: 2, ended: 2 });
  });

  it("does not keep the process alive, whether or not it is closed", async () => {
    const script = `
      import { BatchLoader } from ${JSON.stringify(moduleUrl("batch-loader.js").href)};
      const split = { images: new Uint8Array(40 * 12), labels: new Uint8Array(40), count: 40 };
      const shape = { channels: 3, height: 2, width: 2 };
      const dataset = { name: "blank", classes: [], ...shape, train: split, test: split, mean: [0, 0, 0], std: [1, 1, 1] };
      const onMainThread = (reason) => { throw new Error(reason); };
      const loader = new BatchLoader(dataset, { onMainThread });
      let n = 0;
      for (const epoch of [0, 1]) for await (const { count } of loader.batches("train", { batchSize: 4, seed: 0, epoch })) n += count;
      console.log(n);`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    expect({ stdout, stderr }).toEqual({ stdout: "80\n", stderr: "" });
  });

  it("decodes the images of all epochs of a streamed set with the same workers", async () => {
    const root = await temporaryFolder();
    await writeFolder(root, { ...classesOf(["a", "b"], 10, "train/"), ...classesOf(["a", "b"], 3, "val/", 500) });
    const streamed = await imageFolder(root, { size: 8, storage: "stream", onNote: () => undefined });
    expect(isStreamed(streamed)).toBe(true);
    const workerUrl = moduleUrl("decode-worker.js");
    const recipe: EpochOptions = { batchSize: 3, seed: 5, epoch: 0, shuffle: true, augment: { resizedCrop: true, flip: true } };
    const epochs: [SplitName, EpochOptions][] = [
      ["train", recipe],
      ["test", { batchSize: 4, seed: 0, epoch: 0, reuse: true }],
      ["train", { ...recipe, epoch: 1, startBatch: 2, reuse: true }],
    ];
    const expected: Batch[][] = [];
    for (const [split, epoch] of epochs)
      expected.push(await collect(prefetchBatches(streamed, split, { ...epoch, reuse: false, workers: 1, workerUrl, onMainThread })));
    const workers = watchWorkers();
    const loader = new BatchLoader(streamed, { workers: 2, workerUrl, onMainThread });
    // An epoch that is left early leaves nothing behind for the next.
    for await (const { index } of loader.batches("train", { ...recipe, epoch: 7 })) if (index === 1) break;
    for (const [e, [split, epoch]] of epochs.entries()) expect(await collect(loader.batches(split, epoch))).toEqual(expected[e]);
    expect(workers).toEqual({ started: 2, ended: 0 });
    await loader.close();
    expect(workers).toEqual({ started: 2, ended: 2 });
  });

  it.each([
    [{ depth: 0 }, "BatchLoader: depth must be an integer ≥ 1, got 0"],
    [{ workers: 1.5 }, "BatchLoader: workers must be an integer ≥ 1, got 1.5"],
  ])("refuses %j", (wrong, message) => {
    expect(() => new BatchLoader(sample, wrong)).toThrow(ConfigError);
    expect(() => new BatchLoader(sample, wrong)).toThrow(message);
  });
});
