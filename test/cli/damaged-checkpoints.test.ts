/** Runs that lost a checkpoint, or were killed before their first one: they go on, say what is repeated, and end as an unbroken run. */

import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lockFolder } from "../../src/train/node/folder-lock.ts";
import { jsonLines, positionOf, resultsOf, runCli, tinyRun } from "./run-cli.ts";

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-damaged-"));
  await runCli([...tinyRun, "--run", at("whole")]);
  await runCli([...tinyRun, "--run", at("stopped"), "--steps", "4"]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of a run. */
async function copyOf(run: string, name: string): Promise<string> {
  await rm(at(name), { recursive: true, force: true });
  await cp(at(run), at(name), { recursive: true });
  return at(name);
}

async function changeByte(path: string, place = -100): Promise<void> {
  const bytes = await readFile(path);
  bytes[(place + bytes.length) % bytes.length]! ^= 1;
  await writeFile(path, bytes);
}

const resume = (run: string, ...more: string[]) => runCli(["train", "--resume", run, "--no-progress", ...more]);

/** The names and the bytes of all files of a run. */
const contentOf = async (run: string): Promise<Map<string, string>> =>
  new Map(
    await Promise.all((await readdir(run)).map(async (name) => [name, (await readFile(join(run, name))).toString("base64")] as const)),
  );

describe("a run whose newest checkpoint is damaged", () => {
  test("by any change of a byte, by a cut anywhere, or by its loss, goes on from the one before", () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.record({ byte: fc.nat(250_000) }),
          fc.record({ byte: fc.nat(3_000) }),
          fc.record({ length: fc.nat(200_000) }),
          fc.constant("lost" as const),
        ),
        async (damage) => {
          const run = await copyOf("stopped", "any");
          const path = join(run, "checkpoint.safetensors");
          if (damage === "lost") await rm(path);
          else if ("byte" in damage) await changeByte(path, damage.byte);
          else await writeFile(path, (await readFile(path)).subarray(0, damage.length));
          const { code, stderr } = await resume(run);
          expect({ code, stderr }).toMatchObject({ code: 0 });
          expect(stderr).toMatch(
            /^note: .*checkpoint\.safetensors .*\. The run goes on from .*\.safetensors, after epoch 1: the later steps are repeated$/m,
          );
          expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
          expect((await readdir(run)).includes("checkpoint.damaged.safetensors")).toBe(damage !== "lost");
        },
      ),
      { numRuns: 5, seed: 1 },
    ));

  test("goes on from the best one when that is newer than the one before", async () => {
    const run = await copyOf("whole", "from-best");
    // The checkpoint before the last one is older than the best one.
    await cp(join(at("stopped"), "checkpoint.1.safetensors"), join(run, "checkpoint.1.safetensors"));
    await cp(join(run, "checkpoint.safetensors"), join(run, "best.safetensors"));
    await changeByte(join(run, "checkpoint.safetensors"));
    const { code, stderr } = await resume(run);
    expect(code).toBe(0);
    expect(stderr).toMatch(/The run goes on from .*best\.safetensors, after epoch 2: the later steps are repeated/);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("of an epoch that is repeated says so", async () => {
    const run = await copyOf("whole", "repeated");
    for (const name of ["checkpoint", "best", "best.copy"]) await changeByte(join(run, `${name}.safetensors`));
    const { code, stderr } = await resume(run);
    expect(code).toBe(0);
    expect(stderr).toMatch(/The run goes on from .*checkpoint\.1\.safetensors, after epoch 1: epoch 2 is repeated/);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("keeps a whole checkpoint when it is damaged again before the next save", async () => {
    const run = await copyOf("stopped", "twice");
    await changeByte(join(run, "checkpoint.safetensors"));
    expect((await resume(run, "--steps", "3")).code).toBe(0);
    expect(await positionOf(run)).toEqual({ epoch: 1, step: 0 });
    expect((await resume(run)).code).toBe(0);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("cannot go on when all are damaged: the error names each, and nothing changes", async () => {
    const run = await copyOf("stopped", "hopeless");
    for (const name of await readdir(run)) if (name.endsWith(".safetensors")) await changeByte(join(run, name));
    const before = await contentOf(run);
    const { code, stderr } = await resume(run);
    expect(code).toBe(1);
    for (const name of before.keys()) if (name.endsWith(".safetensors")) expect(stderr).toContain(join(run, name));
    expect(await contentOf(run)).toEqual(before);
  });

  test("cannot go on when all are missing although epochs have ended", async () => {
    const run = await copyOf("stopped", "missing");
    for (const name of await readdir(run)) if (name.endsWith(".safetensors")) await rm(join(run, name));
    expect((await resume(run)).stderr).toMatch(/DataError: run: .*checkpoint\.safetensors must exist, got no checkpoint in/);
  });
});

test.each([1, 3])("--keep %i keeps so many checkpoints, each one epoch older", async (keep) => {
  const run = at(`keep-${keep}`);
  await runCli([...tinyRun, "--epochs", "4", "--keep", String(keep), "--run", run]);
  const names = (await readdir(run)).filter((name) => name.startsWith("checkpoint"));
  expect(names).toHaveLength(keep);
  for (let age = 1; age < keep; age++) {
    await cp(join(run, `checkpoint.${age}.safetensors`), join(run, "checkpoint.safetensors"));
    expect(await positionOf(run)).toEqual({ epoch: 4 - age, step: 0 });
  }
  // Those beyond are removed when a run is resumed with fewer.
  await resume(run, "--epochs", "5", "--keep", "1");
  expect((await readdir(run)).filter((name) => name.startsWith("checkpoint"))).toEqual(["checkpoint.safetensors"]);
});

test("a resumed run keeps as many checkpoints as it was begun with, or as it was last resumed with", async () => {
  const run = at("keep-on");
  const kept = async (): Promise<number> => (await readdir(run)).filter((name) => name.startsWith("checkpoint")).length;
  await runCli([...tinyRun, "--epochs", "4", "--keep", "4", "--run", run]);
  expect(await kept()).toBe(4);
  await resume(run, "--epochs", "5");
  expect(await kept()).toBe(4);
  await resume(run, "--epochs", "6", "--keep", "3");
  expect(await kept()).toBe(3);
  await resume(run, "--epochs", "7");
  expect(await kept()).toBe(3);
});

describe("a run whose best checkpoint is damaged", () => {
  test("is tested by the copy, which a note says", async () => {
    const run = await copyOf("whole", "best");
    const evaluate = () => runCli(["eval", run, "--threads", "1", "--json", "--no-progress"]);
    const before = await evaluate();
    await changeByte(join(run, "best.safetensors"));
    const after = await evaluate();
    const { seconds: _, imagesPerSecond: __, checkpoint, ...numbers } = jsonLines(after.stdout)[0]!;
    expect(checkpoint).toBe(join(run, "best.copy.safetensors"));
    expect(jsonLines(before.stdout)[0]).toMatchObject(numbers);
    expect(after.stderr).toMatch(/note: .*best\.safetensors must have the SHA-256 .*Its copy .*best\.copy\.safetensors is used/);
  });

  test.each(["best", "best.copy"])("%s.safetensors is written again when the run goes on", async (which) => {
    const run = await copyOf("whole", "repaired");
    const before = await contentOf(run);
    await changeByte(join(run, `${which}.safetensors`));
    const { code, stderr } = await resume(run);
    expect(code).toBe(0);
    expect(stderr).toMatch(new RegExp(`note: ${which}\\.safetensors was damaged, and is written again from best`));
    expect(await contentOf(run)).toEqual(before);
  });
});

describe("a run that was killed before its first checkpoint", () => {
  const killed = async (run: string): Promise<void> => {
    for (const name of await readdir(run)) if (name !== "config.json") await rm(join(run, name));
  };

  test("is resumed from its start, as `train --run` advises", async () => {
    const run = await copyOf("whole", "killed");
    await killed(run);
    expect((await runCli([...tinyRun, "--run", run])).stderr).toContain(`continue the run with --resume ${run}`);
    const { code, stderr } = await resume(run);
    expect(code).toBe(0);
    expect(stderr).toContain("note: the run was stopped before its first checkpoint: it begins anew");
    expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
  });

  test("and began with the weights of another run begins with them again, if they are still the same", async () => {
    const tuned = [...tinyRun, "--seed", "3", "--init-from", at("whole"), "--run"];
    await runCli([...tuned, at("tuned")]);
    const run = await copyOf("tuned", "tuned-killed");
    await killed(run);
    expect((await resume(run)).code).toBe(0);
    expect(await resultsOf(run)).toEqual(await resultsOf(at("tuned")));
    await killed(run);
    const config = JSON.parse(await readFile(join(run, "config.json"), "utf8"));
    config.initialised.sha256 = "0";
    await writeFile(join(run, "config.json"), JSON.stringify(config));
    expect((await resume(run)).stderr).toMatch(
      /DataError: run: .* must hold the weights with which .*config\.json was written, got others/,
    );
  });

  test("and was made by another command says which to repeat", async () => {
    const run = at("compressed");
    expect(
      (await runCli(["compress", at("whole"), "--conv", "TensorTrain_0.5", "--no-evaluate", "--out", run, "--no-progress"])).code,
    ).toBe(0);
    await killed(run);
    expect((await resume(run)).stderr).toMatch(/made the run from .* was stopped; delete the folder and run that command again/);
  });

  test("or before its configuration is begun as a new one", async () => {
    const run = at("empty");
    await mkdir(run);
    await writeFile(join(run, ".lock-000000000000-1-1-000000000000"), "");
    expect((await runCli([...tinyRun, "--run", run])).stderr).toContain("of another machine or container");
    await rm(join(run, ".lock-000000000000-1-1-000000000000"));
    expect((await runCli([...tinyRun, "--run", run])).code).toBe(0);
  });
});

test("a run that another process writes is not touched by a resume that is refused", async () => {
  const run = await copyOf("stopped", "in-use");
  await writeFile(join(run, "metrics.jsonl"), `${await readFile(join(run, "metrics.jsonl"), "utf8")}{"epoch":2,"trai`);
  await writeFile(join(run, "checkpoint.safetensors.partial-1"), "half");
  const unlock = await lockFolder(run);
  const before = await contentOf(run);
  const { code, stderr } = await resume(run);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `separable: ConfigError: lock: ${run} is being written by process ${process.pid}; wait for it or stop it\n`,
  });
  expect(await contentOf(run)).toEqual(before);
  await unlock();
  expect((await resume(run)).code).toBe(0);
  expect(await resultsOf(run)).toEqual(await resultsOf(at("whole")));
});
