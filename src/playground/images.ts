/** The images of the playground's runs. */

import { DataError } from "../core/errors.ts";
import { arrayDataset } from "../data/array-dataset.ts";
import { cifarFormats, cifarImage, decodeRecords, type RecordFile, recordBytes } from "../data/cifar-format.ts";
import { allocateSplit, type ByteSplit, type ImageDataset } from "../data/dataset.ts";
import { paintSyntheticSet } from "../experiment/synthetic-set.ts";
import type { Pictures } from "./messages.ts";
import type { PlaygroundSettings } from "./settings.ts";

/** How the images are fetched. */
export interface ImageSources {
  /** The bytes of a file of CIFAR-10, from the server that `separable playground` starts. */
  readonly fetchCifar: (name: string) => Promise<Uint8Array>;
  readonly pictures: Pictures | undefined;
  /** Lets the event loop turn. */
  readonly breathe: () => Promise<void>;
}

/** The part of the visitor's pictures that is tested on, and the seed that chooses it. */
const pictureShare = { testShare: 0.2, seed: 0 } as const;

/** @throws DataError for images that cannot be had. */
export async function loadImages(settings: PlaygroundSettings, sources: ImageSources): Promise<ImageDataset> {
  const { data, train, test } = settings;
  if (data === "cifar10") return loadCifar(train, test, sources.fetchCifar);
  if (data === "pictures") return datasetOf(sources.pictures);
  const painting = paintSyntheticSet({ limitTrain: train, limitTest: test });
  for (;;) {
    const { done, value } = painting.next();
    if (done) return value;
    await sources.breathe();
  }
}

function datasetOf(pictures: Pictures | undefined): ImageDataset {
  if (pictures === undefined) throw new DataError("playground: a run on your own pictures needs them; drop a folder of them on the page");
  const { images, labels, classes } = pictures;
  const shape = [cifarImage.channels, cifarImage.height, cifarImage.width] as const;
  return arrayDataset({ images, labels, classes, shape, ...pictureShare, name: "pictures" });
}

/** The first images of CIFAR-10, from as few files as hold them. */
async function loadCifar(train: number, test: number, fetchCifar: ImageSources["fetchCifar"]): Promise<ImageDataset> {
  const { classes, mean, std, ...format } = cifarFormats.cifar10;
  const read = async (files: readonly RecordFile[], wanted: number): Promise<ByteSplit> => {
    const split = allocateSplit(wanted, cifarImage.bytes);
    let first = 0;
    for (const { name, records } of files) {
      const count = Math.min(records, wanted - first);
      if (count <= 0) break;
      const bytes = (await fetchCifar(name)).subarray(0, count * recordBytes(cifarFormats.cifar10));
      decodeRecords(cifarFormats.cifar10, { name, records: count }, name, bytes, split, first);
      first += count;
    }
    return split;
  };
  const { channels, height, width } = cifarImage;
  return {
    name: "cifar10",
    ...{ classes, channels, height, width, mean, std },
    train: await read(format.train, train),
    test: await read(format.test, test),
  };
}

/** The first `each` training images of every class:[classes·each,3,H,W]. A class with fewer images has black ones. */
export function samplesOf({ train, classes, channels, height, width }: ImageDataset, each: number): Uint8Array {
  const size = channels * height * width;
  const samples = new Uint8Array(classes.length * each * size);
  const found = new Array<number>(classes.length).fill(0);
  for (let n = 0; n < train.count && found.some((count) => count < each); n++) {
    const label = train.labels[n]!;
    const at = label * each + found[label]!;
    if (found[label]! >= each) continue;
    samples.set(train.images.subarray(n * size, (n + 1) * size), at * size);
    found[label]!++;
  }
  return samples;
}
