import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../data/node/small-cifar.ts";

// Compiled, because a worker thread cannot run TypeScript on every supported version of Node.
const experiment = pathToFileURL(fileURLToPath(new URL("../../../dist/experiment.js", import.meta.url))).href;

const settings = {
  ...{ data: "synthetic", limitTrain: 48, limitTest: 16, depth: 10, width: 1, batchSize: 16, epochs: 3 },
  ...{ backend: "wasm", threads: 1, conv: "Sep" },
};

/** Trains in a process of its own, and says how it ended and how many workers it started and how many of them had ended by then. */
async function train(use: string): Promise<unknown> {
  const run = join(await temporaryFolder(), "run");
  const script = `
    import { startRun, searchRate } from ${JSON.stringify(experiment)};
    const workers = { started: 0, ended: 0 };
    process.on("worker", (worker) => { workers.started++; worker.once("exit", () => workers.ended++); });
    const settings = ${JSON.stringify(settings)};
    const options = { run: ${JSON.stringify(run)}, offline: true };
    const note = (text) => { if (text.includes("main thread")) throw new Error(text); };
    let steps = 0;
    ${use}
    console.log(JSON.stringify({ end, ...workers }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  return JSON.parse(stdout);
}

it.each([
  ["has finished", "const end = (await startRun(settings, options, { observer: { note } })).result;", "finished"],
  [
    "is interrupted",
    `const stop = new AbortController();
     const observer = { note, step: () => { if (++steps === 4) stop.abort(); } };
     const end = (await startRun(settings, options, { signal: stop.signal, observer })).result;`,
    "stopped",
  ],
  [
    "fails",
    `const observer = { note, step: () => { if (++steps === 4) throw new Error("the disk is full"); } };
     const end = await startRun(settings, options, { observer }).catch((error) => error.message);`,
    "the disk is full",
  ],
])("one worker prepares the batches of all epochs and tests, and ends when the training %s", async (_, use, end) => {
  expect(await train(use)).toEqual({ end, started: 1, ended: 1 });
});

it("one worker prepares the batches of a search for a learning rate, and ends with it", async () => {
  const use = `const end = typeof (await searchRate(settings, { steps: 8, offline: true, observer: { note } }));`;
  expect(await train(use)).toEqual({ end: "object", started: 1, ended: 1 });
});
