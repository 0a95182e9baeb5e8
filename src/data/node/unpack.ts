/** Unpacks archives, and checks the digests of streams. */

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { DataError } from "../../core/errors.ts";

export interface UnpackOptions {
  /** The names of the files to take. */
  readonly wanted: readonly string[];
  /** The largest number of bytes of the archive, and of what it unpacks to. Default: 1 GiB. CIFAR takes 0.2 GB. */
  readonly maximumBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Streams a .tar.gz into a folder. It takes the wanted files only and drops the folders in which they are.
 * @throws DataError for an archive over `maximumBytes`, and the errors of the stream, zlib and the file system. Files may be half-written
 * then.
 */
export async function unpackTarGz(
  archive: AsyncIterable<Uint8Array>,
  folder: string,
  { wanted, maximumBytes = 2 ** 30, signal }: UnpackOptions,
): Promise<void> {
  const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const unpacker = unpackTar(folder, {
    filter: (header) => header.type === "file" && wanted.includes(baseName(header.name)),
    map: (header) => ({ ...header, name: baseName(header.name) }),
    fmode: 0o644,
    strict: true,
  });
  const limit = limitBytes(maximumBytes);
  const [packed, unpacked] = [limit("have"), limit("unpack to")];
  await pipeline(Readable.from(archive, { objectMode: false }), packed, createGunzip(), unpacked, unpacker, {
    ...(signal ? { signal } : {}),
  });
}

/** Passes bytes through, up to a number of them. A gzip file of one megabyte may unpack to a gigabyte. */
const limitBytes = (maximum: number) => (what: string) =>
  async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    let passed = 0;
    for await (const chunk of bytes) {
      passed += chunk.length;
      if (passed > maximum)
        throw new DataError(`unpack: the archive must ${what} at most ${maximum} bytes, got more; it is not the archive of the data set`);
      yield chunk;
    }
  };

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
