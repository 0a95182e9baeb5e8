/** The lock of a folder, and what happens to it when its holder ends. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigError } from "../../../src/core/errors.ts";
import { ownedName, thisProcess } from "../../../src/core/node/process-identity.ts";
import { lockFolder, lockHolder } from "../../../src/train/node/folder-lock.ts";
import { deadName } from "../../core/node/dead-name.ts";
import { letRivalsRun } from "./rivals.ts";

const onLinux = process.platform === "linux";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-lock-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const leave = (name: string, content: unknown): Promise<void> =>
  writeFile(join(folder, name), typeof content === "string" ? content : `${JSON.stringify(content)}\nheld\n`);

/** A lock as a process of another machine or container makes it. */
const foreignName = (): string => ownedName(".lock-").replace(/^\.lock-[0-9a-f]{12}/, ".lock-000000000000");
const foreign = { ...thisProcess(), pid: 41, since: "2025-03-09T14:05:30.000Z" };

test("a lock has one holder at a time and leaves no file", async () => {
  const unlock = await lockFolder(folder);
  expect(await lockHolder(folder)).toBe(`process ${process.pid}`);
  await expect(lockFolder(folder)).rejects.toThrow(`lock: ${folder} is being written by process ${process.pid}; wait for it or stop it`);
  await unlock();
  expect(await lockHolder(folder)).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});

test("one of many simultaneous attempts takes the lock", async () => {
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  expect(taken.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await readdir(folder)).toHaveLength(1);
});

test("four processes that leave stale locks and are killed are never inside at once, and leave nothing", async () => {
  expect(await letRivalsRun({ rounds: 200, seed: 1 })).toEqual({ overlaps: 0, taken: 800, killed: 2, left: [] });
});

describe("a lock is void", () => {
  test("of a process that has ended, whatever it has written", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "close");
    const ended = ownedName(".lock-").replace(`-${process.pid}-`, `-${child.pid}-`);
    for (const content of ["", "{", "{}", '{"pid":0}', foreign]) {
      await leave(ended, content);
      expect(await lockHolder(folder)).toBeUndefined();
      await (await lockFolder(folder))();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test.runIf(onLinux)("of a process whose number was used again", async () => {
    await leave(deadName(".lock-"), foreign);
    await (await lockFolder(folder))();
  });

  test.runIf(onLinux)("of a process that has ended and whose parent has not asked how", async () => {
    // The shell becomes `sleep 100`, which never asks for its child.
    const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 100"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [said] = (await once(parent.stdout, "data")) as [Buffer];
      const pid = Number(said.toString());
      let stat = "";
      do {
        stat = await readFile(`/proc/${pid}/stat`, "utf8");
        await new Promise((resolve) => setImmediate(resolve));
      } while (!stat.includes(") Z "));
      const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
      await leave(ownedName(".lock-").replace(/-\d+-\d+(?=-[0-9a-f]{12}$)/, `-${pid}-${started}`), foreign);
      await (await lockFolder(folder))();
    } finally {
      parent.kill();
    }
  });

  test.runIf(thisProcess().machine !== undefined)("of this machine before it was started again", async () => {
    await leave(foreignName(), { ...foreign, boot: "another" });
    await (await lockFolder(folder))();
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("a lock is never taken over", () => {
  const refused = async (name: string, content: unknown): Promise<string> => {
    await leave(name, content);
    const error = await lockFolder(folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(await readdir(folder)).toEqual([name]);
    const { message } = error as Error;
    expect(message).toContain(`If it has ended, delete ${join(folder, name)}`);
    await rm(join(folder, name));
    await (await lockFolder(folder))();
    return message;
  };

  test("from another machine: the error says which, since when, and what to do", async () => {
    const other = { ...foreign, host: "node-7", machine: "m7", boot: "b7" };
    expect(await refused(foreignName(), other)).toContain(
      `is being written by process ${process.pid} of the machine node-7 since 2025-03-09T14:05:30.000Z`,
    );
  });

  test("from a machine of the same name, or with the same installation", async () => {
    await refused(foreignName(), { ...foreign, machine: "another", boot: "b7" });
    await refused(foreignName(), { ...foreign, host: "another", boot: "b7" });
  });

  test("from another container", async () => {
    expect(await refused(foreignName(), { ...foreign, host: "c7" })).toMatch(
      thisProcess().boot === undefined ? /of the machine c7/ : /of another container of this machine, c7, since 2025/,
    );
  });

  test.each(["{}", '{"pid":0}', '{"pid":', "", "null"])(
    "without a word on its machine, as former versions made it: %j",
    async (content) => {
      expect(await refused(".lock", content)).toContain(`by a lock that does not say on which machine: ${JSON.stringify(content)}`);
    },
  );

  test("when it is another machine's and damaged", async () => {
    expect(await refused(foreignName(), '{"host":7}\nheld')).toContain("of another machine or container");
  });
});
