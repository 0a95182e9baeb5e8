import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ConfigError } from "../../../src/core/errors.ts";
import { type Batch, type EpochOptions, epochBatches } from "../../../src/data/batches.ts";
import { type ByteDataset, sharedBytes } from "../../../src/data/dataset.ts";
import { prefetchBatches } from "../../../src/data/node/prefetch-batches.ts";
import type { PrefetchOptions } from "../../../src/data/node/prefetch-options.ts";
import { augmentations, sampleDataset, seeds, sizes } from "../arbitraries.ts";
import { compileData } from "./compiled-data.ts";
import { temporaryFolder } from "./small-cifar.ts";
import { watchWorkers } from "./watch-workers.ts";

let compiled: ReturnType<typeof compileData>;
let workerUrl: URL;
const moduleUrl = (file: string): URL => pathToFileURL(join(compiled.folder, file));
beforeAll(() => {
  compiled = compileData();
  workerUrl = moduleUrl("data/node/batch-worker.js");
});
afterAll(() => compiled.remove());

/** Fails the test when the worker is not used. */
const insistOnWorker = (reason: string): void => {
  throw new Error(`fell back to the main thread: ${reason}`);
};

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

/** `sampleDataset` in shared memory. */
function shared(dataset: ByteDataset): ByteDataset {
  const share = (bytes: Uint8Array): Uint8Array => {
    const copy = sharedBytes(bytes.length);
    copy.set(bytes);
    return copy;
  };
  const { train, test } = dataset;
  return {
    ...dataset,
    train: { ...train, images: share(train.images), labels: share(train.labels) },
    test: { ...test, images: share(test.images), labels: share(test.labels) },
  };
}

const options: EpochOptions = { batchSize: 4, seed: 3, epoch: 2, shuffle: true, augment: { crop: 2, flip: true, cutout: 2 } };
const sample = sampleDataset({ count: 40, channels: 3, height: 6, width: 5 });

describe("prefetchBatches", () => {
  it("yields the bits of epochBatches, from a worker", async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.record({
          batchSize: fc.integer({ min: 1, max: 12 }),
          seed: seeds,
          epoch: fc.nat(100),
          shuffle: fc.boolean(),
          augment: augmentations,
          depth: fc.integer({ min: 1, max: 4 }),
        }),
        fc.boolean(),
        fc.nat(),
        async (s, { depth, ...epoch }, isShared, pick) => {
          const dataset = isShared ? shared(sampleDataset(s)) : sampleDataset(s);
          const startBatch = pick % (Math.ceil(s.count / epoch.batchSize) + 1);
          const ahead = await collect(
            prefetchBatches(dataset, "test", { ...epoch, startBatch, depth, workerUrl, onMainThread: insistOnWorker }),
          );
          expect(ahead).toEqual([...epochBatches(dataset, "test", { ...epoch, startBatch })]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("does not copy the images", async () => {
    const dataset = shared(sample);
    const batches = prefetchBatches(dataset, "train", {
      ...options,
      workerUrl,
      shuffle: false,
      augment: {},
      onMainThread: insistOnWorker,
      depth: 1,
    });
    await batches.next();
    // Batches 0 and 1 have been requested, and the third has not. So the worker will read the pixels that are written now.
    dataset.train.images.fill(0, 2 * 4 * 90, 3 * 4 * 90);
    await batches.next();
    const third = (await batches.next()).value as Batch;
    const [black] = [...epochBatches(dataset, "train", { ...options, shuffle: false, augment: {}, startBatch: 2 })];
    expect(third).toEqual(black);
    await batches.return();
  });

  it("ends its worker when the epoch is over and when the loop is left early", async () => {
    const workers = watchWorkers();
    await collect(prefetchBatches(sample, "train", { ...options, workerUrl, onMainThread: insistOnWorker }));
    expect(workers).toEqual({ started: 1, ended: 1 });
    for await (const _ of prefetchBatches(sample, "train", { ...options, workerUrl, onMainThread: insistOnWorker })) break;
    expect(workers).toEqual({ started: 2, ended: 2 });
    const failing = async () => {
      for await (const _ of prefetchBatches(sample, "train", { ...options, workerUrl, onMainThread: insistOnWorker }))
        throw new Error("in the loop");
    };
    await expect(failing()).rejects.toThrow("in the loop");
    expect(workers).toEqual({ started: 3, ended: 3 });
  });

  it("starts no worker for an epoch without batches left", async () => {
    const workers = watchWorkers();
    expect(await collect(prefetchBatches(sample, "train", { ...options, startBatch: 10, workerUrl }))).toEqual([]);
    expect(workers.started).toBe(0);
  });

  it("continues where a worker stopped, with the same bits, and reports the reason", async () => {
    const folder = await temporaryFolder();
    const planEpoch = moduleUrl("data/batches.js").href;
    const dying = (batches: number, end: string) => `
      import { parentPort, workerData } from "node:worker_threads";
      import { planEpoch } from ${JSON.stringify(planEpoch)};
      let left = ${batches};
      let { dataset } = workerData;
      let epoch;
      parentPort.on("message", ({ kind, images, split, options, index }) => {
        if (kind === "split") dataset = { ...dataset, [split]: images };
        if (kind === "epoch") epoch = planEpoch(dataset, split, options);
        if (kind !== "batch") return;
        if (left-- === 0) { ${end} }
        parentPort.postMessage(epoch.prepare(index));
      });`;
    const workers: [string, string, string][] = [
      ["throws.mjs", `throw new Error("no memory");`, "the worker failed: no memory"],
      ["exits.mjs", "process.exit(3);", "the worker ended with code 3"],
      ["dies-at-once.mjs", dying(0, `throw new Error("batch");`), "the worker failed: batch"],
      ["dies-later.mjs", dying(5, "process.exit(9);"), "the worker ended with code 9"],
      ["syntax.mjs", "this is not JavaScript", "the worker failed: "],
    ];
    const expected = [...epochBatches(sample, "train", options)];
    for (const [file, code, message] of workers) {
      await writeFile(join(folder, file), code);
      const reasons: string[] = [];
      const url = pathToFileURL(join(folder, file));
      const batches = await collect(
        prefetchBatches(sample, "train", { ...options, workerUrl: url, onMainThread: (reason) => reasons.push(reason) }),
      );
      expect(batches).toEqual(expected);
      expect(reasons).toEqual([expect.stringContaining(message)]);
    }
    for (const url of [pathToFileURL(join(folder, "missing.mjs")), new URL("https://example.invalid/worker.js")]) {
      const reasons: string[] = [];
      expect(
        await collect(prefetchBatches(sample, "train", { ...options, workerUrl: url, onMainThread: (reason) => reasons.push(reason) })),
      ).toEqual(expected);
      expect(reasons.length).toBe(1);
    }
  });

  it("yields the batches from TypeScript sources, too, whether or not this Node runs TypeScript in workers", async () => {
    const reasons: string[] = [];
    const batches = await collect(prefetchBatches(sample, "train", { ...options, onMainThread: (reason) => reasons.push(reason) }));
    expect(batches).toEqual([...epochBatches(sample, "train", options)]);
    // Node strips types by itself since version 22.18.
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    const runsTypeScript = major > 23 || (major === 23 && minor >= 6) || (major === 22 && minor >= 18);
    expect(reasons.length).toBe(runsTypeScript ? 0 : 1);
  });

  it("finds its worker when compiled, prints nothing, and does not keep the process alive", async () => {
    const script = (use: string) => `
      import { prefetchBatches } from ${JSON.stringify(moduleUrl("data/node/prefetch-batches.js").href)};
      const split = { images: new Uint8Array(40 * 12), labels: new Uint8Array(40), count: 40 };
      const shape = { channels: 3, height: 2, width: 2 };
      const dataset = { name: "blank", classes: [], ...shape, train: split, test: split, mean: [0, 0, 0], std: [1, 1, 1] };
      const onMainThread = (reason) => { throw new Error(reason); };
      const batches = prefetchBatches(dataset, "train", { batchSize: 4, seed: 0, epoch: 0, onMainThread });
      ${use}`;
    const run = (use: string) => promisify(execFile)(process.execPath, ["--input-type=module", "-e", script(use)]);
    expect(await run("let n = 0; for await (const batch of batches) n += batch.count; console.log(n);")).toEqual({
      stdout: "40\n",
      stderr: "",
    });
    expect(await run("for await (const { index } of batches) { console.log(index); break; }")).toEqual({ stdout: "0\n", stderr: "" });
    // The loop is neither finished nor closed, and the program ends nevertheless.
    expect(await run("console.log((await batches.next()).value.index);")).toEqual({ stdout: "0\n", stderr: "" });
  });

  it("emits a process warning by default when the main thread prepares the batches", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listen);
    onTestFinished(() => void process.off("warning", listen));
    const missing = pathToFileURL(join(await temporaryFolder(), "missing.mjs"));
    await collect(prefetchBatches(sample, "train", { ...options, workerUrl: missing }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings.map((w) => [w.name, w.message])).toEqual([
      ["SeparableWarning", expect.stringContaining("batches are prepared on the main thread: ")],
    ]);
  });

  it.each<[Partial<PrefetchOptions>, string]>([
    [{ depth: 0 }, "depth must be an integer ≥ 1, got 0"],
    [{ depth: 1.5 }, "depth must be an integer ≥ 1, got 1.5"],
    [{ batchSize: 0 }, "batchSize must be an integer ≥ 1, got 0"],
    [{ startBatch: 11 }, "startBatch must be an integer in [0, 10], got 11"],
  ])("refuses %j before the first batch", (changes, message) => {
    const start = () => prefetchBatches(sample, "train", { ...options, ...changes });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(message);
  });
});
