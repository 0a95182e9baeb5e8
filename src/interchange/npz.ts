/**
 * NumPy's .npz format, from and to bytes (https://numpy.org/doc/stable/reference/generated/numpy.savez.html): a zip archive with a file
 * `<name>.npy` for each array.
 */

import { DataError } from "../core/errors.ts";
import { fileKind } from "../core/file-kind.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { quote, visible } from "../core/quote.ts";
import type { EncodableArray, NamedArray } from "../train/safetensors.ts";
import { decodeNpy, encodeNpy } from "./npy.ts";
import { unzip, zip } from "./zip.ts";

export interface NpzOptions {
  /** Whether the arrays are deflated, as `numpy.savez_compressed` does. Default: false, as `numpy.savez` does. */
  readonly compress?: boolean;
}

export interface DecodeNpzOptions {
  /** The largest number of bytes to which the archive may unpack. Default: 64 MiB, or 32 times the archive's size where that is more. */
  readonly maximumBytes?: number;
}

/** The names of `NpzOptions`. */
const npzOptions: OptionNames = optionNames<NpzOptions>({ compress: true });

/** The names of `DecodeNpzOptions`. */
const decodeNpzOptions: OptionNames = optionNames<DecodeNpzOptions>({ maximumBytes: true });

const extension = ".npy";

/** The default of `maximumBytes`. Trained weights hardly shrink, but masks and other arrays of mostly zeros do. */
const defaultMaximum = (archiveBytes: number): number => Math.max(2 ** 26, 32 * archiveBytes);

/** The bytes of an archive. Equal arrays in equal order give equal bytes. @throws DataError for an array that `encodeNpy` refuses. */
export function encodeNpz(arrays: ReadonlyMap<string, EncodableArray>, options: NpzOptions = {}): Uint8Array {
  checkOptions("encodeNpz", options, npzOptions);
  const { compress = false } = options;
  const files = [...arrays].map(([name, array]) => ({ name: name + extension, content: encodeNpy(array) }));
  return zip(files, compress);
}

/**
 * The arrays of an archive by name, in the archive's order.
 * @param source The archive's name in errors.
 * @throws DataError for bytes that are no zip archive, an archive that would unpack to more than `maximumBytes`, a wrong checksum, two
 * arrays of one name, a file that is not .npy, or a .npy file that `decodeNpy` refuses.
 */
export function decodeNpz(bytes: Uint8Array, source: string, options: DecodeNpzOptions = {}): Map<string, NamedArray> {
  checkOptions("decodeNpz", options, decodeNpzOptions);
  const { maximumBytes = defaultMaximum(bytes.length) } = options;
  const kind = fileKind(bytes);
  if (kind !== undefined && !kind.name.includes(".npz") && kind.name !== "a zip archive")
    throw new DataError(`npz: ${source} must be a NumPy archive (.npz), got ${kind.name}; ${kind.remedy}`);
  const refuse = (what: string, remedy = "the file is truncated or corrupted, restore it from a copy"): never => {
    throw new DataError(`npz: ${source} ${what}; ${remedy}`);
  };
  const arrays = new Map<string, NamedArray>();
  for (const { name, content } of unzip(bytes, maximumBytes, refuse)) {
    if (!name.endsWith(extension)) refuse(`must hold .npy files only, got ${quote(name)}`, "write it with numpy.savez");
    const key = name.slice(0, -extension.length);
    if (arrays.has(key)) refuse(`must hold one array of each name, got ${quote(key)} twice`, "write it again");
    arrays.set(key, decodeNpy(content, `${source}: ${visible(name)}`));
  }
  return arrays;
}
