/** CIFAR from a folder in the official binary format. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { isMissing, readBytes } from "../../core/node/read-file.ts";
import {
  type CifarFormat,
  checkRecordLength,
  cifarImage,
  countRecords,
  decodeClassNames,
  decodeRecords,
  type RecordFile,
} from "../cifar-format.ts";
import { allocateSplit, type ByteDataset, type ByteSplit } from "../dataset.ts";

/** In bytes. The list of CIFAR-100 has 800. */
const largestClassList = 2 ** 16;

export interface CifarReader {
  /** The folder's name in errors. */
  readonly folder: string;
  readonly read: (file: string) => Promise<Uint8Array>;
  /** Whether the list of class names may be missing. The built-in names are used then. */
  readonly classesOptional: boolean;
  /** Called after each file, with the number of files done and their total. */
  readonly onFile?: ((done: number, total: number) => void) | undefined;
}

/** Reads the whole data set, file by file. @throws DataError when `decodeRecords` or `read` does. */
export async function readCifar(format: CifarFormat, { folder, read, classesOptional, onFile }: CifarReader): Promise<ByteDataset> {
  const total = format.train.length + format.test.length;
  let done = 0;
  const readSplit = async (files: readonly RecordFile[]): Promise<ByteSplit> => {
    const split = allocateSplit(countRecords(files), cifarImage.bytes);
    let first = 0;
    for (const file of files) {
      decodeRecords(format, file, join(folder, file.name), await read(file.name), split, first);
      first += file.records;
      onFile?.(++done, total);
    }
    return split;
  };
  const readClasses = async (): Promise<readonly string[]> => {
    try {
      return decodeClassNames(format, join(folder, format.classesFile), new TextDecoder().decode(await read(format.classesFile)));
    } catch (error) {
      if (classesOptional && isMissing(error)) return format.classes;
      throw error;
    }
  };
  const classes = await readClasses();
  return {
    name: format.name,
    classes,
    channels: cifarImage.channels,
    height: cifarImage.height,
    width: cifarImage.width,
    train: await readSplit(format.train),
    test: await readSplit(format.test),
    mean: format.mean,
    std: format.std,
  };
}

/**
 * Reads CIFAR from a folder that the user names: the folder that the official archive unpacks to, or the one that contains it.
 * @throws DataError when the folder or a file is missing, a file has another length than its records, or a label is out of range.
 */
export async function readCifarFolder(
  format: CifarFormat,
  folder: string,
  onFile?: (done: number, total: number) => void,
): Promise<ByteDataset> {
  const found = await locate(format, folder);
  const read = async (file: string): Promise<Uint8Array> => {
    const path = join(found, file);
    const length = await stat(path).then(
      ({ size }) => size,
      () => undefined,
    );
    if (length !== undefined) checkLength(format, file, path, length);
    return readBytes(path, { op: format.name, remedy: "unpack the official archive again" }).catch((error: unknown) => {
      if (isMissing(error) && file !== format.classesFile) throw missing(format, `${path}, got no such file`);
      throw error;
    });
  };
  return readCifar(format, { folder: found, read, classesOptional: true, onFile });
}

/** Checks the length of a file, so that a file of another kind is not read into memory. */
function checkLength(format: CifarFormat, name: string, path: string, length: number): void {
  const file = [...format.train, ...format.test].find((record) => record.name === name);
  if (file !== undefined) checkRecordLength(format, file, path, length);
  else if (length > largestClassList)
    throw new DataError(`${format.name}: ${path} must list the class names in at most ${largestClassList} bytes, got ${length}`);
}

async function locate(format: CifarFormat, folder: string): Promise<string> {
  const firstFile = format.train[0]!.name;
  const holds = async (candidate: string): Promise<boolean> =>
    (await stat(join(candidate, firstFile)).catch(() => undefined))?.isFile() ?? false;
  for (const candidate of [folder, join(folder, format.folder)]) if (await holds(candidate)) return candidate;
  const isFolder = (await stat(folder).catch(() => undefined))?.isDirectory() ?? false;
  throw missing(
    format,
    isFolder ? `${join(folder, firstFile)} or ${join(folder, format.folder, firstFile)}, got neither` : `${folder}, got no such folder`,
  );
}

function missing(format: CifarFormat, what: string): DataError {
  return new DataError(
    `${format.name}: needs ${what}; name the folder that holds ${format.folder}, or leave the folder out to download the data`,
  );
}
