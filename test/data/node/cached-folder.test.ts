import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import { removeLeftovers } from "../../../src/core/node/temporary-names.ts";
import { CorruptedCacheError, openCachedFolder, publishFolder } from "../../../src/data/node/cached-folder.ts";
import { compileData } from "./compiled-data.ts";
import { listFolder, temporaryFolder } from "./small-cifar.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

const publish = (cache: string, files: Record<string, string>, then: () => Promise<void> = async () => {}) =>
  publishFolder({
    cache,
    name: "set",
    source: "test",
    files: Object.keys(files),
    build: async (folder) => {
      for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
      await then();
    },
  });

let compiled: ReturnType<typeof compileData>;
beforeAll(() => {
  compiled = compileData();
});
afterAll(() => compiled.remove());

describe("a published folder", () => {
  it("holds the files that were built and the manifest, and nothing else", async () => {
    const cache = join(await temporaryFolder(), "not", "there", "yet");
    await publishFolder({
      cache,
      name: "set",
      source: "test",
      files: ["a"],
      build: async (folder) => {
        await writeFile(join(folder, "a"), "data");
        await writeFile(join(folder, "archive.tgz"), "rest");
      },
    });
    expect(await listFolder(cache)).toEqual(["set", join("set", "a"), join("set", "manifest.json")]);
    const opened = await openCachedFolder(join(cache, "set"));
    expect(opened?.source).toBe("test");
    expect(new Uint8Array(await opened!.read("a"))).toEqual(bytesOf("data"));
  });

  it("reports any changed byte", async () => {
    const cache = await temporaryFolder();
    await publish(cache, { a: "0123456789", b: "abcdefghij" });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("a", "b"), fc.nat(9), fc.integer({ min: 1, max: 255 }), async (file, place, change) => {
        const path = join(cache, "set", file);
        const original = await readFile(path);
        const changed = Uint8Array.from(original, (byte, i) => (i === place ? byte ^ change : byte));
        await writeFile(path, changed);
        const opened = await openCachedFolder(join(cache, "set"));
        await expect(opened!.read(file)).rejects.toThrow(CorruptedCacheError);
        await writeFile(path, original);
        expect(Buffer.compare(await opened!.read(file), original)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it("reports missing files, and manifests that are invalid", async () => {
    const cache = await temporaryFolder();
    await publish(cache, { a: "data" });
    const opened = await openCachedFolder(join(cache, "set"));
    await expect(opened!.read("other")).rejects.toThrow(CorruptedCacheError);
    for (const manifest of ["", "{", "[]", "null", `{"version":2,"files":{}}`]) {
      await writeFile(join(cache, "set", "manifest.json"), manifest);
      await expect(openCachedFolder(join(cache, "set"))).rejects.toThrow(CorruptedCacheError);
    }
  });

  it("is absent without its manifest", async () => {
    const cache = await temporaryFolder();
    expect(await openCachedFolder(join(cache, "set"))).toBeUndefined();
    await mkdir(join(cache, "set"));
    await writeFile(join(cache, "set", "a"), "data");
    expect(await openCachedFolder(join(cache, "set"))).toBeUndefined();
  });
});

describe("publishing", () => {
  it("leaves nothing when the build fails or forgets a file", async () => {
    const cache = await temporaryFolder();
    const failure = new Error("cut off");
    await expect(publish(cache, { a: "data" }, () => Promise.reject(failure))).rejects.toBe(failure);
    const forgetful = publishFolder({ cache, name: "set", source: "test", files: ["a"], build: async () => {} });
    await expect(forgetful).rejects.toThrow(DataError);
    expect(await listFolder(cache)).toEqual([]);
  });

  it("by several processes at once succeeds for one, and the others discard their work", async () => {
    const cache = await temporaryFolder();
    let building = 0;
    let release = (): void => {};
    const allBuilt = new Promise<void>((resolve) => {
      release = resolve;
    });
    const builders = Array.from({ length: 4 }, (_, i) =>
      publish(cache, { a: `builder ${i}` }, () => {
        if (++building === 4) release();
        return allBuilt;
      }),
    );
    await Promise.all(builders);
    expect(await listFolder(cache)).toEqual(["set", join("set", "a"), join("set", "manifest.json")]);
    const text = new TextDecoder().decode(await (await openCachedFolder(join(cache, "set")))!.read("a"));
    expect(text).toMatch(/^builder [0-3]$/);
  });

  it("keeps an intact folder and replaces a corrupted one", async () => {
    const cache = await temporaryFolder();
    const content = async () => new TextDecoder().decode(await (await openCachedFolder(join(cache, "set")))!.read("a"));
    await publish(cache, { a: "first" });
    await publish(cache, { a: "second" });
    expect(await content()).toBe("first");
    await writeFile(join(cache, "set", "a"), "fIrst");
    await publish(cache, { a: "third" });
    expect(await content()).toBe("third");
    expect(await listFolder(cache)).toEqual(["set", join("set", "a"), join("set", "manifest.json")]);
  });
});

describe("leftovers", () => {
  it("of a killed process are removed, and those of a running process stay", async () => {
    const cache = await temporaryFolder();
    const module = pathToFileURL(join(compiled.folder, "data/node/cached-folder.js")).href;
    const script = `
      import { publishFolder } from ${JSON.stringify(module)};
      import { writeFile } from "node:fs/promises";
      await publishFolder({ cache: process.argv[1], name: "set", source: "test", files: ["a"], build: async (folder) => {
        await writeFile(folder + "/a", "half");
        process.kill(process.pid, "SIGKILL");
        await new Promise(() => setInterval(() => {}, 1000));
      } });`;
    await new Promise<void>((resolve) => execFile(process.execPath, ["--input-type=module", "-e", script, cache], () => resolve()));
    expect((await listFolder(cache)).length).toBe(2);
    expect(await openCachedFolder(join(cache, "set"))).toBeUndefined();
    await publish(cache, { a: "whole" }, async () => {
      await removeLeftovers(cache);
      expect((await listFolder(cache)).filter((path) => basename(path) === "a").length).toBe(1);
    });
    expect(await listFolder(cache)).toEqual(["set", join("set", "a"), join("set", "manifest.json")]);
  });

  it("are recognised by their exact form of name", async () => {
    const cache = await temporaryFolder();
    for (const name of ["other", "set.partial", "set.partial-", "set.partial-host-x-1"]) await mkdir(join(cache, name));
    await removeLeftovers(cache);
    expect((await listFolder(cache)).length).toBe(4);
    await removeLeftovers(join(cache, "missing"));
  });
});
