/** Unpacks archives, and checks the digests of streams. */

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { DataError } from "../../core/errors.ts";

/**
 * Streams a .tar.gz into a folder. It takes the wanted files only and drops the folders in which they are.
 * @throws the errors of the stream, zlib and the file system. Files may be half-written then.
 */
export async function unpackTarGz(
  archive: AsyncIterable<Uint8Array>,
  folder: string,
  wanted: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const unpacker = unpackTar(folder, {
    filter: (header) => header.type === "file" && wanted.includes(baseName(header.name)),
    map: (header) => ({ ...header, name: baseName(header.name) }),
    fmode: 0o644,
    strict: true,
  });
  await pipeline(Readable.from(archive, { objectMode: false }), createGunzip(), unpacker, { ...(signal ? { signal } : {}) });
}

export interface ExpectedDigest {
  readonly algorithm: "md5" | "sha512";
  readonly encoding: "hex" | "base64";
  readonly digest: string;
  /** The name of the bytes in errors. */
  readonly of: string;
}

/** Passes bytes through, and compares their digest at the end. @throws DataError that names both digests when they differ. */
export async function* checkDigest(bytes: AsyncIterable<Uint8Array>, expected: ExpectedDigest): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash(expected.algorithm);
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const digest = hash.digest(expected.encoding);
  if (digest !== expected.digest)
    throw new DataError(
      `download: ${expected.of} must have ${expected.algorithm} ${expected.digest}, got ${digest}; ` +
        "the download is corrupted or has been replaced, try again",
    );
}
