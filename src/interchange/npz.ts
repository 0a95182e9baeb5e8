/**
 * NumPy's .npz format: a zip archive with a file `<name>.npy` for each array.
 * Specification: https://numpy.org/doc/stable/reference/generated/numpy.savez.html. Bytes in, arrays out; files are somebody else's business.
 */

import AdmZip from "adm-zip";
import { DataError } from "../core/errors.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";

export interface NpzOptions {
  /** Deflates the arrays, as `numpy.savez_compressed` does; by default they are stored as they are. */
  readonly compress?: boolean;
}

const extension = ".npy";
const stored = 0;
const deflated = 8;

/** The archive's bytes; the same arrays in the same order give the same bytes. @throws DataError for data that does not fill its shape. */
export function encodeNpz(arrays: ReadonlyMap<string, NamedArray>, { compress = false }: NpzOptions = {}): Uint8Array {
  const zip = new AdmZip({ noSort: true });
  for (const [index, [name, array]] of [...arrays].entries()) {
    const entry = zip.addFile(String(index), Buffer.from(encodeNpy(array)));
    // Named afterwards: `addFile` takes names for paths, and would make "a//b" and "../a/b" one.
    entry.entryName = name + extension;
    entry.header.method = compress ? deflated : stored;
    // The first day a zip archive can tell, as NumPy has it.
    entry.header.time = new Date(1980, 0, 1);
  }
  return new Uint8Array(zip.toBuffer());
}

/**
 * The arrays by name, in the archive's order.
 * @throws DataError naming `source` and the first thing wrong: no zip archive, a checksum that differs, a file that is not .npy, or a .npy file that `decodeNpy` refuses.
 */
export function decodeNpz(bytes: Uint8Array, source: string): Map<string, NamedArray> {
  const arrays = new Map<string, NamedArray>();
  for (const [name, content] of unzip(bytes, source)) {
    if (!name.endsWith(extension))
      throw new DataError(`npz: ${source} must hold .npy files alone, got ${JSON.stringify(name)}; write it with numpy.savez`);
    arrays.set(name.slice(0, -extension.length), decodeNpy(content, `${source}: ${name}`));
  }
  return arrays;
}

function unzip(bytes: Uint8Array, source: string): (readonly [string, Uint8Array])[] {
  try {
    const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const zip = new AdmZip(archive, { noSort: true });
    // The archive counts its files twice and adm-zip reads the first count alone: one too low would hide arrays without a word.
    const end = archive.lastIndexOf("PK\x05\x06");
    if (archive.readUInt16LE(end + 8) !== archive.readUInt16LE(end + 10)) throw new Error("two counts of its files that differ");
    return zip.getEntries().map((entry) => [entry.entryName, entry.getData()] as const);
  } catch (error) {
    throw new DataError(
      `npz: ${source} must be a zip archive, whole and with the right checksums, got ${error instanceof Error ? error.message : error}; ` +
        "the file is truncated or corrupted, restore it from a copy",
      { cause: error },
    );
  }
}
