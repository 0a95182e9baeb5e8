/**
 * NumPy's .npz format, from and to bytes (https://numpy.org/doc/stable/reference/generated/numpy.savez.html): a zip archive with a file
 * `<name>.npy` for each array.
 */

import AdmZip from "adm-zip";
import { DataError } from "../core/errors.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";

export interface NpzOptions {
  /** Whether the arrays are deflated, as `numpy.savez_compressed` does. Default: false, as `numpy.savez` does. */
  readonly compress?: boolean;
}

const extension = ".npy";

/**
 * The methods of compression, and the record at the end of an archive, as the zip format numbers them (APPNOTE.TXT, sections 4.4.5 and
 * 4.3.16).
 */
const methods = { stored: 0, deflated: 8 } as const;
const endOfDirectory = { signature: "PK\x05\x06", filesOnThisDiskAt: 8, filesAt: 10 } as const;

/** The bytes of an archive. Equal arrays in equal order give equal bytes. @throws DataError for data that do not fill their shape. */
export function encodeNpz(arrays: ReadonlyMap<string, NamedArray>, { compress = false }: NpzOptions = {}): Uint8Array {
  const zip = new AdmZip({ noSort: true });
  for (const [index, [name, array]] of [...arrays].entries()) {
    const entry = zip.addFile(String(index), Buffer.from(encodeNpy(array)));
    // The entry gets its name here, because `addFile` takes a name for a path and would give "a//b" and "../a/b" one name.
    entry.entryName = name + extension;
    entry.header.method = compress ? methods.deflated : methods.stored;
    // The first day that a zip archive can record, as NumPy writes it.
    entry.header.time = new Date(1980, 0, 1);
  }
  return new Uint8Array(zip.toBuffer());
}

/**
 * The arrays of an archive by name, in the archive's order.
 * @param source The archive's name in errors.
 * @throws DataError for bytes that are no zip archive, a wrong checksum, a file that is not .npy, or a .npy file that `decodeNpy` refuses.
 */
export function decodeNpz(bytes: Uint8Array, source: string): Map<string, NamedArray> {
  const arrays = new Map<string, NamedArray>();
  for (const [name, content] of unzip(bytes, source)) {
    if (!name.endsWith(extension))
      throw new DataError(`npz: ${source} must hold .npy files only, got ${JSON.stringify(name)}; write it with numpy.savez`);
    arrays.set(name.slice(0, -extension.length), decodeNpy(content, `${source}: ${name}`));
  }
  return arrays;
}

function unzip(bytes: Uint8Array, source: string): (readonly [string, Uint8Array])[] {
  try {
    const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const zip = new AdmZip(archive, { noSort: true });
    // An archive counts its files twice, and adm-zip reads the first count only. A count that is too low would hide arrays.
    const end = archive.lastIndexOf(endOfDirectory.signature);
    const [count, secondCount] = [endOfDirectory.filesOnThisDiskAt, endOfDirectory.filesAt].map((at) => archive.readUInt16LE(end + at));
    if (count !== secondCount) throw new Error("two counts of its files that differ");
    return zip.getEntries().map((entry) => [entry.entryName, entry.getData()] as const);
  } catch (error) {
    throw new DataError(
      `npz: ${source} must be a complete zip archive with the right checksums, got ${error instanceof Error ? error.message : error}; ` +
        "the file is truncated or corrupted, restore it from a copy",
      { cause: error },
    );
  }
}
