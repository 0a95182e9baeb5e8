/** An archive is unpacked up to a number of bytes only, because a small archive may unpack to any size. */

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { expect, test } from "vitest";
import { unpackTarGz } from "../../../src/data/node/unpack.ts";

async function unpacked(archive: Uint8Array, maximumBytes: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "unpack-"));
  try {
    await unpackTarGz(Readable.from([archive]), folder, { wanted: ["a.bin"], maximumBytes });
    expect((await readFile(join(folder, "a.bin"))).length).toBe(1000);
    return await readdir(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const file = (name: string, size: number) => ({ header: { name, size, type: "file" as const }, body: new Uint8Array(size) });

test("an archive unpacks to its limit, and an archive of one byte more is refused", async () => {
  const tar = await packTar([file("folder/a.bin", 1000), file("folder/zeros", 1_000_000)]);
  const archive = gzipSync(tar);
  expect(archive.length).toBeLessThan(5000);
  expect(await unpacked(archive, tar.length)).toEqual(["a.bin"]);
  await expect(unpacked(archive, tar.length - 1)).rejects.toThrow(
    `unpack: the archive must unpack to at most ${tar.length - 1} bytes, got more`,
  );
});

test("an archive that is longer than its limit is refused, however little it unpacks to", async () => {
  const empty = gzipSync(new Uint8Array(0));
  const many = Buffer.concat(new Array<Uint8Array>(1000).fill(empty));
  await expect(unpacked(many, 1000)).rejects.toThrow("unpack: the archive must have at most 1000 bytes, got more");
});
