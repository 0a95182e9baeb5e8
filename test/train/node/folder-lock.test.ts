/** The lock of a folder, and what happens to it when its holder ends. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockFolder, lockHolder } from "../../../src/train/node/folder-lock.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a lock has one holder at a time and leaves no file", async () => {
  const unlock = await lockFolder(folder);
  expect(await lockHolder(folder)).toBe(process.pid);
  await expect(lockFolder(folder)).rejects.toThrow(`lock: ${folder} is being written by process ${process.pid}`);
  await unlock();
  expect(await lockHolder(folder)).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});

test("one of many simultaneous attempts takes the lock", async () => {
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await readdir(folder)).toEqual([".lock"]);
});

test("a lock of an ended process is void, and so are a lock of a process whose number was reused, and half a lock", async () => {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "close");
  const dead = { pid: child.pid };
  const reused = { pid: process.pid, started: "1" };
  for (const content of [JSON.stringify(dead), ...(process.platform === "linux" ? [JSON.stringify(reused)] : []), '{"pid":']) {
    await writeFile(join(folder, ".lock"), content);
    expect(await lockHolder(folder)).toBeUndefined();
    await (await lockFolder(folder))();
  }
});
