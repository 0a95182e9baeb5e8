/** Files that are being written: nobody can foresee their names or put a link there, and none stays. */

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { interceptEffects, OutputFile } from "../../../src/core/node/files.ts";
import { isTemporaryName, removeLeftovers, temporaryName } from "../../../src/core/node/temporary-names.ts";
import { writeFileAtomic } from "../../../src/train/node/atomic-file.ts";
import { deadName } from "../../core/node/dead-name.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a new file is not written through a link, whether the link leads anywhere or not", async () => {
  await writeFile(join(folder, "victim"), "mine");
  await symlink(join(folder, "victim"), join(folder, "link"));
  await symlink(join(folder, "nowhere"), join(folder, "dangling"));
  for (const name of ["link", "dangling", "victim"])
    await expect(OutputFile.create(join(folder, name))).rejects.toMatchObject({ code: "EEXIST" });
  expect(await readFile(join(folder, "victim"), "utf8")).toBe("mine");
  expect((await readdir(folder)).sort()).toEqual(["dangling", "link", "victim"]);
});

test("a link at the path of a file is replaced, and what it leads to stays", async () => {
  await writeFile(join(folder, "victim"), "mine");
  await symlink(join(folder, "victim"), join(folder, "file"));
  await writeFileAtomic(join(folder, "file"), "new");
  expect(await readFile(join(folder, "victim"), "utf8")).toBe("mine");
  expect(await readFile(join(folder, "file"), "utf8")).toBe("new");
});

test("every write uses another name, and the name is short", async () => {
  const names: string[] = [];
  const restore = interceptEffects((effect, perform) => {
    if (effect.kind === "create") names.push(effect.path.slice(folder.length + 1));
    return perform();
  });
  try {
    for (let i = 0; i < 3; i++) await writeFileAtomic(join(folder, "file"), String(i));
  } finally {
    restore();
  }
  expect(new Set(names).size).toBe(3);
  expect(names.every((name) => isTemporaryName(name) && name.length < 64)).toBe(true);
});

test("a name of 255 bytes can be written", async () => {
  const name = "n".repeat(255);
  await writeFileAtomic(join(folder, name), "x");
  expect(await readdir(folder)).toEqual([name]);
});

describe("leftovers", () => {
  test("of a killed process are removed by the next process that writes into the folder", async () => {
    const program = join(folder, "write.mjs");
    const module = JSON.stringify(join(import.meta.dirname, "../../../src/train/node/atomic-file.ts"));
    const files = JSON.stringify(join(import.meta.dirname, "../../../src/core/node/files.ts"));
    const contents = `
      import { writeFileAtomic } from ${module};
      import { interceptEffects } from ${files};
      const kill = () => process.kill(process.pid, "SIGKILL");
      if (process.argv[3]) interceptEffects((effect, perform) => effect.kind === "rename" ? kill() : perform());
      await writeFileAtomic(process.argv[2], "x");`;
    await build({ stdin: { contents, resolveDir: folder }, outfile: program, bundle: true, platform: "node", format: "esm" });
    const write = (...argv: string[]): Promise<void> =>
      new Promise((resolve) => execFile(process.execPath, [program, ...argv], () => resolve()));
    await write(join(folder, "file"), "kill");
    expect((await readdir(folder)).filter(isTemporaryName)).toHaveLength(1);
    await write(join(folder, "file"));
    expect((await readdir(folder)).sort()).toEqual(["file", "write.mjs"]);
  });

  test("of running processes stay, and so do those of other machines for a day, and files with other names", async () => {
    const foreign = (): string => temporaryName().replace(/^\.partial-[0-9a-f]{12}/, ".partial-000000000000");
    const [own, dead, young, old] = [temporaryName(), deadName(".partial-"), foreign(), foreign()];
    const others = [".partial-x", "file.partial-12", `x${deadName(".partial-")}`];
    for (const name of [own, dead, young, old, ...others]) await writeFile(join(folder, name), "");
    const { mtimeMs } = await stat(join(folder, old));
    await utimes(join(folder, old), 0, mtimeMs / 1000 - 25 * 3600);
    await removeLeftovers(folder);
    expect((await readdir(folder)).sort()).toEqual([own, young, ...others].sort());
  });
});
