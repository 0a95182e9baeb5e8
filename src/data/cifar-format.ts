/**
 * The official binary format of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html). A file is a sequence of records of
 * one length. A record is
 *
 *     coarse label (1 byte, CIFAR-100 only) | label (1 byte) | red plane (1024 bytes) | green plane | blue plane
 *
 * and a plane is 32 rows of 32 pixels.
 */

import { DataError } from "../core/errors.ts";
import { cifar10Classes, cifar100Classes } from "./cifar-classes.ts";
import type { ByteSplit } from "./dataset.ts";

export type CifarName = "cifar10" | "cifar100";

/** A file of the format, and the number of its records. */
export interface RecordFile {
  readonly name: string;
  readonly records: number;
}

export interface CifarFormat {
  readonly name: CifarName;
  /** The folder that the official archive unpacks to. */
  readonly folder: string;
  readonly train: readonly RecordFile[];
  readonly test: readonly RecordFile[];
  /** Bytes before the pixels. The last one is the label, which is the class; CIFAR-100 has a coarse label before it. */
  readonly labelBytes: 1 | 2;
  readonly classes: readonly string[];
  /** The file that lists the class names, one per line. */
  readonly classesFile: string;
  /** Per channel, of pixels scaled to [0, 1]: batches subtract `mean` and divide by `std`. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export const cifarImage = { channels: 3, height: 32, width: 32, bytes: 3072 } as const;

export const cifarFormats: Readonly<Record<CifarName, CifarFormat>> = {
  cifar10: {
    name: "cifar10",
    folder: "cifar-10-batches-bin",
    train: [1, 2, 3, 4, 5].map((i) => ({ name: `data_batch_${i}.bin`, records: 10_000 })),
    test: [{ name: "test_batch.bin", records: 10_000 }],
    labelBytes: 1,
    classes: cifar10Classes,
    classesFile: "batches.meta.txt",
    mean: [0.4914, 0.4822, 0.4465],
    // These are the recipe's constants: the standard deviation within an image, averaged over images. Over all pixels together it would be
    // (0.2470, 0.2435, 0.2616).
    std: [0.2023, 0.1994, 0.201],
  },
  cifar100: {
    name: "cifar100",
    folder: "cifar-100-binary",
    train: [{ name: "train.bin", records: 50_000 }],
    test: [{ name: "test.bin", records: 10_000 }],
    labelBytes: 2,
    classes: cifar100Classes,
    classesFile: "fine_label_names.txt",
    mean: [0.5071, 0.4867, 0.4408],
    std: [0.2675, 0.2565, 0.2761],
  },
};

/** CIFAR-100 groups its 100 classes into 20 coarse ones. */
const coarseClasses = 20;

/** Where the bytes of a record are, counted from its start. */
interface RecordLayout {
  /** Undefined for a format without coarse labels. */
  readonly coarseLabel: number | undefined;
  readonly label: number;
  readonly pixels: number;
  readonly end: number;
}

const recordLayout = (format: CifarFormat): RecordLayout => ({
  coarseLabel: format.labelBytes === 2 ? 0 : undefined,
  label: format.labelBytes - 1,
  pixels: format.labelBytes,
  end: recordBytes(format),
});

/** Length of a record in bytes. */
export const recordBytes = (format: CifarFormat): number => format.labelBytes + cifarImage.bytes;

/** The number of records in all of the files. */
export const countRecords = (files: readonly RecordFile[]): number => files.reduce((total, file) => total + file.records, 0);

/**
 * Checks the length of a file before the file is read.
 * @param path The file's name in errors.
 * @throws DataError when the length is not records × recordBytes.
 */
export function checkRecordLength(format: CifarFormat, file: RecordFile, path: string, length: number): void {
  const expected = file.records * recordBytes(format);
  if (length !== expected)
    throw new DataError(
      `${format.name}: ${path} must be ${expected} bytes (${file.records} records of ${recordBytes(format)}), got ${length}; ` +
        "the file is truncated or not of this data set: unpack the official archive again",
    );
}

/**
 * Reads the records of one file into the split `into`: record 0 becomes image `first`.
 * @param path The file's name in errors.
 * @throws DataError when the length is not records × recordBytes, or a label is out of range.
 */
export function decodeRecords(
  format: CifarFormat,
  file: RecordFile,
  path: string,
  bytes: Uint8Array,
  into: ByteSplit,
  first: number,
): void {
  const layout = recordLayout(format);
  checkRecordLength(format, file, path, bytes.length);
  for (let record = 0; record < file.records; record++) {
    const start = record * layout.end;
    const label = bytes[start + layout.label]!;
    const coarseLabel = layout.coarseLabel === undefined ? 0 : bytes[start + layout.coarseLabel]!;
    if (label >= format.classes.length) throw labelError(format, path, record, "label", label, format.classes.length);
    if (coarseLabel >= coarseClasses) throw labelError(format, path, record, "coarse label", coarseLabel, coarseClasses);
    into.labels[first + record] = label;
    into.images.set(bytes.subarray(start + layout.pixels, start + layout.end), (first + record) * cifarImage.bytes);
  }
}

function labelError(format: CifarFormat, path: string, record: number, kind: string, label: number, bound: number): DataError {
  return new DataError(
    `${format.name}: every ${kind} must lie in [0, ${bound}), got ${label} in record ${record} of ${path}; ` +
      "the file is corrupted or not of this data set: unpack the official archive again",
  );
}

/**
 * The bytes of a file that holds the images of `split`. It is the inverse of `decodeRecords`.
 * @param coarseLabels One per image, for formats that have coarse labels.
 * @throws DataError when a coarse label is missing.
 */
export function encodeRecords(format: CifarFormat, split: ByteSplit, coarseLabels?: Uint8Array): Uint8Array {
  if (format.labelBytes === 2 && coarseLabels?.length !== split.count)
    throw new DataError(`${format.name}: needs one coarse label per image, got ${coarseLabels?.length ?? 0} for ${split.count} images`);
  const layout = recordLayout(format);
  const bytes = new Uint8Array(split.count * layout.end);
  for (let record = 0; record < split.count; record++) {
    const start = record * layout.end;
    if (coarseLabels && layout.coarseLabel !== undefined) bytes[start + layout.coarseLabel] = coarseLabels[record]!;
    bytes[start + layout.label] = split.labels[record]!;
    bytes.set(split.images.subarray(record * cifarImage.bytes, (record + 1) * cifarImage.bytes), start + layout.pixels);
  }
  return bytes;
}

/**
 * Reads class names, one per line, and skips blank lines.
 * @throws DataError when the number of names is not the number of classes.
 */
export function decodeClassNames(format: CifarFormat, path: string, text: string): string[] {
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (names.length !== format.classes.length)
    throw new DataError(`${format.name}: ${path} must list ${format.classes.length} class names, one per line, got ${names.length}`);
  return names;
}
