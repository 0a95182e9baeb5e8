/** What a network looks like between two steps: the matrix of a layer and its factors, filters, attention maps, and mistakes. */

import { largest } from "../core/extent.ts";
import { epochBatches } from "../data/batches.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { matrix } from "../linalg/matrix.ts";
import { svd } from "../linalg/svd.ts";
import { Conv2d } from "../nn/conv2d.ts";
import type { Module } from "../nn/module.ts";
import { tensor } from "../ops/creation.ts";
import { softmax } from "../ops/softmax.ts";
import { DenseConvolution } from "../structured/dense.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import { readValues, StructuredConvolution } from "../structured/structured-convolution.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { AttentiveClassifier } from "../train/evaluate.ts";

/** Numbers with a name and a shape. */
export interface Values {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A layer as a matrix, and what the matrix is made of. */
export interface LayerPicture {
  readonly layer: string;
  /** W:[out,in] of a structured map, or the kernel K:[out,in·k²] of any other convolution. */
  readonly whole: Values;
  /** Empty for a dense convolution. */
  readonly factors: readonly Values[];
  /** In descending order. */
  readonly singularValues: Float32Array;
}

/** A test image and what the network makes of it. */
export interface Judgement {
  /** The image:[3,H,W], in bytes. */
  readonly image: Uint8Array;
  readonly label: number;
  readonly prediction: number;
  /** The probability of the prediction, in [0, 1]. */
  readonly confidence: number;
  /** The attention maps, [side,side] each. */
  readonly attention: readonly Values[];
}

export interface Snapshot {
  readonly picture: LayerPicture | undefined;
  /** The filters of the first convolution, [out,3,k,k]. */
  readonly filters: Values | undefined;
  /** One test image of each class, at most eight. */
  readonly attended: readonly Judgement[];
  /** The test images with the most confident mistakes, at most twelve of the first 128. */
  readonly mistakes: readonly Judgement[];
}

/** Test images that a snapshot looks at, and how many of them it shows. */
const looked = 128;
const shown = { mistakes: 12, attended: 8 } as const;

/** The convolutions that pictures can be made of, by name. */
export const picturedLayers = (model: Module): Map<string, StructuredConvolution> =>
  new Map([...model.namedModules()].filter((entry): entry is [string, StructuredConvolution] => entry[1] instanceof StructuredConvolution));

/** The layer that is looked at before a visitor chooses one: the largest, which is the last. */
export const usualLayer = (model: Module): string | undefined => [...picturedLayers(model).keys()].at(-1);

/** Looks at `model`. @param layer The name of a convolution. A network that has no such layer has no picture. */
export async function takeSnapshot(model: AttentiveClassifier, dataset: ImageDataset, layer: string | undefined): Promise<Snapshot> {
  const convolution = layer === undefined ? undefined : picturedLayers(model).get(layer);
  const judgements = await judge(model, dataset);
  return {
    picture: convolution && (await pictureOf(layer!, convolution)),
    filters: await firstFilters(model),
    attended: oneOfEach(judgements, dataset.classes.length).slice(0, shown.attended),
    mistakes: judgements
      .filter(({ label, prediction }) => label !== prediction)
      .sort((a, b) => b.confidence - a.confidence)
      .slice(0, shown.mistakes),
  };
}

async function pictureOf(layer: string, convolution: StructuredConvolution): Promise<LayerPicture> {
  const map = convolution instanceof SeparableConvolution ? convolution.map : undefined;
  const factors: Values[] = [];
  if (!(convolution instanceof DenseConvolution))
    for (const [name, parameter] of convolution.parameters())
      factors.push({ name, shape: parameter.shape, data: Float32Array.from(await parameter.read()) });
  let shape: readonly number[] = [];
  const numbers = await readValues(() => {
    const whole = map === undefined ? convolution.toDenseKernel() : map.toDense();
    shape = whole.shape;
    return whole;
  });
  const rows = shape[0]!;
  const columns = numbers.length / rows;
  const whole = { name: map === undefined ? "K" : "W", shape: [rows, columns], data: Float32Array.from(numbers) };
  return { layer, whole, factors, singularValues: Float32Array.from(svd(matrix(rows, columns, numbers)).s) };
}

/** The filters of the first layer that reads images. */
async function firstFilters(model: Module): Promise<Values | undefined> {
  const first = model.modules().find((module): module is Conv2d => module instanceof Conv2d && module.weight.shape[1] === 3);
  if (first === undefined) return undefined;
  return { name: "filters", shape: first.weight.shape, data: Float32Array.from(await first.weight.read()) };
}

/** Classifies the first test images. */
async function judge(model: AttentiveClassifier, dataset: ImageDataset): Promise<Judgement[]> {
  const { channels, height, width, test } = dataset;
  const [batch] = epochBatches(dataset, "test", { batchSize: Math.min(looked, test.count), seed: 0, epoch: 0 });
  const { images, count } = batch!;
  const { probabilities, attention } = scope(() =>
    noGrad(() => {
      const output = model.forwardWithAttention(tensor(images, { shape: [count, channels, height, width] }), { training: false });
      return { probabilities: detach(softmax(output.logits)), attention: output.attention.map(detach) };
    }),
  );
  const [p, ...maps] = await Promise.all([probabilities, ...attention].map((result) => result.data()));
  for (const result of [probabilities, ...attention]) result.dispose();
  const classes = dataset.classes.length;
  const size = channels * height * width;
  return Array.from({ length: count }, (_, n) => {
    const row = p!.subarray(n * classes, (n + 1) * classes);
    const prediction = row.indexOf(largest(row) as never);
    return {
      image: Uint8Array.from(test.images.subarray(n * size, (n + 1) * size)),
      label: test.labels[n]!,
      prediction,
      confidence: Number(row[prediction]),
      attention: maps.map((map, group) => {
        const pixels = map.length / count;
        const side = Math.round(Math.sqrt(pixels));
        const data = Float32Array.from(map.subarray(n * pixels, (n + 1) * pixels));
        return { name: `group ${group + 1}`, shape: [side, side], data };
      }),
    };
  });
}

/** The first image of each class. */
const oneOfEach = (judgements: readonly Judgement[], classes: number): Judgement[] =>
  Array.from({ length: classes }, (_, label) => judgements.find((judgement) => judgement.label === label)).filter(
    (found) => found !== undefined,
  );
