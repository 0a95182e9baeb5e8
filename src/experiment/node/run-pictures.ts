/** Pictures of a trained network: its first filters, and its attention maps of some test images. */

import { largest, smallest } from "../../core/extent.ts";
import { isFloat32Array } from "../../core/typed-arrays.ts";
import { type Dataset, isStreamed } from "../../data/dataset.ts";
import { decodeImage } from "../../data/node/decode-image.ts";
import { tensor } from "../../ops/creation.ts";
import type { ReportPicture } from "../../report/report-run.ts";
import { noGrad } from "../../tape/tape.ts";
import { scope } from "../../tensor/scope.ts";
import { restoreNetwork } from "../restore-network.ts";
import { networkOf } from "../settings.ts";
import { findCheckpoint } from "./find-checkpoint.ts";
import type { OpenedRun } from "./sweep/run-summary.ts";

/** The number of filters in a row of their picture. */
const perRow = 8;

/** The first test image of each of the first `count` classes, with its class. */
function examples({ test, classes }: Dataset, count: number): readonly { readonly index: number; readonly name: string }[] {
  return classes.slice(0, count).flatMap((name, label) => {
    const index = test.labels.indexOf(label);
    return index === -1 ? [] : [{ index, name }];
  });
}

/**
 * Pictures of the run's best checkpoint, with the attention maps of `images` test images.
 *
 * @throws DataError when the run has no checkpoint.
 */
export async function picturesOf({ path, config }: OpenedRun, dataset: Dataset, images: number): Promise<ReportPicture[]> {
  const checkpoint = await findCheckpoint(path);
  const network = restoreNetwork(checkpoint, networkOf(config.settings));
  const pictures: ReportPicture[] = [];
  for (const { index, name } of examples(dataset, images)) {
    const { pixels, normalised } = await imageAt(dataset, index);
    const shape = [1, dataset.channels, dataset.height, dataset.width];
    const maps = scope(() => noGrad(() => network.forwardWithAttention(tensor(normalised, { shape }), { training: false }).attention));
    pictures.push({ kind: "image", caption: name, width: dataset.width, height: dataset.height, channels: 3, values: pixels });
    for (const [group, map] of maps.entries()) {
      const side = Math.sqrt(map.size);
      const values = scaledToUnit(await map.data());
      pictures.push({ kind: "attention", caption: `${name}, group ${group + 1}`, width: side, height: side, channels: 1, values });
      map.dispose();
    }
  }
  const stem = [...network.state()].find(([, { shape }]) => shape.length === 4 && shape[1] === 3);
  if (stem !== undefined) pictures.push(filtersOf(stem[0], stem[1].shape as [number, number, number, number], await stem[1].read()));
  network.dispose();
  return pictures;
}

/** The image as a picture, [H,W,C], and as the input of the network, [C,H,W] and normalised. */
async function imageAt(dataset: Dataset, index: number): Promise<{ pixels: Float32Array; normalised: Float32Array }> {
  const { channels, height, width, mean, std } = dataset;
  const plane = height * width;
  const bytes = isStreamed(dataset)
    ? await decodeImage(dataset.test.paths[index]!, { size: height, resize: dataset.resize })
    : dataset.test.images.subarray(index * channels * plane, (index + 1) * channels * plane);
  const scale = isFloat32Array(bytes) ? 1 : 255;
  const pixels = new Float32Array(bytes.length);
  const normalised = new Float32Array(bytes.length);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < plane; p++) {
      const value = bytes[c * plane + p]! / scale;
      pixels[p * channels + c] = value;
      normalised[c * plane + p] = (value - mean[c]!) / std[c]!;
    }
  return { pixels, normalised };
}

/** Scales values so that the smallest becomes 0 and the largest becomes 1. */
function scaledToUnit(values: ArrayLike<number>): Float32Array {
  const all = Float32Array.from(values);
  const [low, high] = [smallest(all), largest(all)];
  return all.map((value) => (value - low) / (high - low || 1));
}

/** All filters of the first convolution, [O,3,K,K], side by side with a pixel between them. Each filter is scaled by itself. */
function filtersOf(
  name: string,
  [count, colours, kernelHeight, kernelWidth]: [number, number, number, number],
  weights: ArrayLike<number>,
): ReportPicture {
  const rows = Math.ceil(count / perRow);
  const [width, height] = [Math.min(count, perRow) * (kernelWidth + 1) - 1, rows * (kernelHeight + 1) - 1];
  const values = new Float32Array(width * height * colours).fill(1);
  const plane = kernelHeight * kernelWidth;
  for (let o = 0; o < count; o++) {
    const filter = scaledToUnit(Array.from({ length: colours * plane }, (_, i) => weights[o * colours * plane + i]!));
    const [top, left] = [Math.floor(o / perRow) * (kernelHeight + 1), (o % perRow) * (kernelWidth + 1)];
    for (let c = 0; c < colours; c++)
      for (let p = 0; p < plane; p++) {
        const [y, x] = [top + Math.floor(p / kernelWidth), left + (p % kernelWidth)];
        values[(y * width + x) * colours + c] = filter[c * plane + p]!;
      }
  }
  return { kind: "filters", caption: `${count} filters of ${name.replace(/\.weight$/, "")}`, width, height, channels: 3, values };
}
