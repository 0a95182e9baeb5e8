/**
 * Folders that are complete or absent. A folder is built under a temporary name, and its last file is a manifest of SHA-256 sums. Then the
 * folder is renamed into place. Every later read is checked against the manifest.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { readBytes, readTextIfPresent } from "../../core/node/read-file.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { temporaryName } from "../../core/node/temporary-names.ts";
import { accepted, dictionary, object, oneOf, readJson, type Schema, text, whole } from "../../core/schema.ts";

const manifestFile = "manifest.json";

interface Manifest {
  readonly version: 1;
  /** The source of the content. */
  readonly source: string;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const digest = accepted<string>("64 hexadecimal digits", (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value));

const manifestSchema: Schema<Manifest> = object({
  version: oneOf([1]),
  source: text,
  files: dictionary(object({ bytes: whole(), sha256: digest })),
});

/** What to do about anything that is wrong in the cache: the folder holds nothing but copies. */
const remedy = "delete the folder and load again";

/** A file does not match its manifest. This error has its own class, because a caller can build the cache again. */
export class CorruptedCacheError extends DataError {
  override name = "CorruptedCacheError";
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Errors of reading as errors of a cache that can be built again. */
const orCorrupted = (error: unknown): never => {
  if (error instanceof DataError) throw new CorruptedCacheError(error.message, { cause: error });
  throw error;
};

async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, manifestFile);
  try {
    const json = await readTextIfPresent(path, { op: "cache", remedy });
    return json === undefined ? undefined : readJson(manifestSchema, json, { source: `cache: ${path}`, remedy });
  } catch (error) {
    return orCorrupted(error);
  }
}

/** Reads the files of one cached folder and checks each of them. */
export interface CachedFolder {
  readonly source: string;
  /** The bytes of a file. @throws CorruptedCacheError when the file is missing or is not as it was stored. */
  read(file: string): Promise<Uint8Array>;
}

/** Opens a complete folder; undefined when there is none. @throws CorruptedCacheError for a damaged manifest. */
export async function openCachedFolder(folder: string): Promise<CachedFolder | undefined> {
  const manifest = await readManifest(folder);
  if (!manifest) return undefined;
  const read = async (file: string): Promise<Uint8Array> => {
    const path = join(folder, file);
    const expected = Object.hasOwn(manifest.files, file) ? manifest.files[file] : undefined;
    if (!expected) throw new CorruptedCacheError(`cache: the manifest of ${folder} must list ${file}, got none; ${remedy}`);
    const bytes = await readBytes(path, { op: "cache", remedy }).catch(orCorrupted);
    const sum = sha256(bytes);
    if (sum !== expected.sha256)
      throw new CorruptedCacheError(
        `cache: ${path} must have SHA-256 ${expected.sha256} and ${expected.bytes} bytes, got ${sum} and ${bytes.length} bytes; ${remedy}`,
      );
    return bytes;
  };
  return { source: manifest.source, read };
}

async function isIntact(folder: string): Promise<boolean> {
  try {
    const manifest = await readManifest(folder);
    const cached = await openCachedFolder(folder);
    if (!manifest || !cached) return false;
    for (const file of Object.keys(manifest.files)) await cached.read(file);
    return true;
  } catch (error) {
    if (error instanceof CorruptedCacheError) return false;
    throw error;
  }
}

export interface PublishOptions {
  /** The folder in which the new folder is made. */
  readonly cache: string;
  /** The name of the new folder. */
  readonly name: string;
  /** The source of the content, for the manifest. */
  readonly source: string;
  /** The files that the manifest lists. Every other file that `build` leaves is removed. */
  readonly files: readonly string[];
  /** Fills an empty folder. */
  build(folder: string): Promise<void>;
}

/**
 * Builds a folder under a temporary name and renames it to `cache/name`. When several processes do this at once, the first one wins and the
 * others discard their work. A corrupted folder of that name is replaced.
 * @throws DataError when a listed file is missing, and every error of `build`. Nothing is left behind then.
 */
export async function publishFolder({ cache, name, source, files, build }: PublishOptions): Promise<void> {
  await mkdir(cache, { recursive: true });
  const partial = join(cache, temporaryName());
  await mkdir(partial);
  try {
    await build(partial);
    for (const extra of await readdir(partial)) if (!files.includes(extra)) await rm(join(partial, extra), { recursive: true });
    const sums: Record<string, { bytes: number; sha256: string }> = {};
    for (const file of files) {
      const bytes = await readFile(join(partial, file)).catch((error: unknown) => {
        if (errorCode(error) === "ENOENT") throw new DataError(`cache: ${source} must contain ${file}, got none`);
        throw error;
      });
      sums[file] = { bytes: bytes.length, sha256: sha256(bytes) };
    }
    await writeFile(join(partial, manifestFile), `${JSON.stringify({ version: 1, source, files: sums } satisfies Manifest, null, 2)}\n`);
    await moveIntoPlace(partial, cache, name);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function moveIntoPlace(partial: string, cache: string, name: string): Promise<void> {
  const target = join(cache, name);
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(partial, target);
      return;
    } catch (error) {
      // A rename cannot replace a folder that is not empty. Linux, macOS and Windows report this with different codes.
      if (!["ENOTEMPTY", "EEXIST", "EPERM", "EACCES"].includes(errorCode(error) ?? "") || attempt === 3) throw error;
    }
    if (await isIntact(target)) return;
    const aside = join(cache, temporaryName());
    await rename(target, aside).catch((error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
    await rm(aside, { recursive: true, force: true });
  }
}
