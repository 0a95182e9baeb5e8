/**
 * The official binary format of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html): files of fixed-length
 * records, each the label bytes followed by 3072 pixels: the red, the green and the blue plane, row by row.
 */

import { DataError } from "../core/errors.ts";
import { cifar10Classes, cifar100Classes } from "./cifar-classes.ts";
import type { ImageSplit } from "./dataset.ts";

export type CifarName = "cifar10" | "cifar100";

/** One file of the format and how many records it holds. */
export interface RecordFile {
  readonly name: string;
  readonly records: number;
}

export interface CifarFormat {
  readonly name: CifarName;
  /** The folder the official archive unpacks to. */
  readonly folder: string;
  readonly train: readonly RecordFile[];
  readonly test: readonly RecordFile[];
  /** Bytes before the pixels; the last one is the class (CIFAR-100 puts the coarse label before the fine one). */
  readonly labelBytes: 1 | 2;
  readonly classes: readonly string[];
  /** The file that lists the class names, one per line. */
  readonly classesFile: string;
  /** Per-channel normalisation, of pixels scaled to [0, 1]. */
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
    // The recipe's constants: the standard deviation inside an image, averaged over images. Over all pixels it is (.2470, .2435, .2616).
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

/** Coarse labels of CIFAR-100 lie in [0, 20). */
const coarseClasses = 20;

export const recordBytes = (format: CifarFormat): number => format.labelBytes + cifarImage.bytes;

/** Number of records of a list of files. */
export const countRecords = (files: readonly RecordFile[]): number => files.reduce((total, file) => total + file.records, 0);

/**
 * Reads the records of one file into `into`, from image `first` on.
 * @param path names the file in errors.
 * @throws DataError when the length is not records × recordBytes, or a label is out of range.
 */
export function decodeRecords(
  format: CifarFormat,
  file: RecordFile,
  path: string,
  bytes: Uint8Array,
  into: ImageSplit,
  first: number,
): void {
  const stride = recordBytes(format);
  if (bytes.length !== file.records * stride)
    throw new DataError(
      `${format.name}: ${path} must be ${file.records * stride} bytes (${file.records} records of ${stride}), got ${bytes.length}; ` +
        "the file is truncated or not of this data set: unpack the official archive again",
    );
  for (let record = 0, offset = 0; record < file.records; record++, offset += stride) {
    const label = bytes[offset + format.labelBytes - 1]!;
    if (label >= format.classes.length) throw labelError(format, path, record, "label", label, format.classes.length);
    if (format.labelBytes === 2 && bytes[offset]! >= coarseClasses)
      throw labelError(format, path, record, "coarse label", bytes[offset]!, coarseClasses);
    into.labels[first + record] = label;
    into.images.set(bytes.subarray(offset + format.labelBytes, offset + stride), (first + record) * cifarImage.bytes);
  }
}

function labelError(format: CifarFormat, path: string, record: number, kind: string, label: number, bound: number): DataError {
  return new DataError(
    `${format.name}: every ${kind} must lie in [0, ${bound}), got ${label} in record ${record} of ${path}; ` +
      "the file is corrupted or not of this data set: unpack the official archive again",
  );
}

/**
 * The bytes of a file holding these images: the inverse of `decodeRecords`.
 * @param coarseLabels the byte before the class, for formats with two label bytes.
 * @throws DataError when a coarse label is missing.
 */
export function encodeRecords(format: CifarFormat, split: ImageSplit, coarseLabels?: Uint8Array): Uint8Array {
  if (format.labelBytes === 2 && coarseLabels?.length !== split.count)
    throw new DataError(`${format.name}: needs one coarse label per image, got ${coarseLabels?.length ?? 0} for ${split.count} images`);
  const stride = recordBytes(format);
  const bytes = new Uint8Array(split.count * stride);
  for (let record = 0, offset = 0; record < split.count; record++, offset += stride) {
    if (coarseLabels && format.labelBytes === 2) bytes[offset] = coarseLabels[record]!;
    bytes[offset + format.labelBytes - 1] = split.labels[record]!;
    bytes.set(split.images.subarray(record * cifarImage.bytes, (record + 1) * cifarImage.bytes), offset + format.labelBytes);
  }
  return bytes;
}

/**
 * Class names, one per line; blank lines are skipped.
 * @throws DataError when there is not one name per class.
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
