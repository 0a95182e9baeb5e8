/**
 * Products along the channels, one after the other, at every column: what structured maps are made of. There are two forms.
 * `contractChannelsComposed` is composed of permutations and grouped 1×1 convolutions. `contractChannels` is one kernel forward and one
 * backward on the backends that have them. It takes all stages through one tile of columns before the next, so what lies between two stages
 * stays in a cache. Nothing of it is kept for the gradient, which computes it again (docs/derivations/contractions.md).
 */

import { kernels } from "../backend/active.ts";
import { type ChannelStage, channelStage, type StageLetters, stageLetters } from "../core/channel-stage.ts";
import { ShapeError } from "../core/errors.ts";
import { formatShape, sizeOf } from "../core/shape.ts";
import { isRecording, record } from "../tape/tape.ts";
import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { conv2d } from "./convolution.ts";
import { einsum } from "./einsum.ts";
import { permute } from "./layout.ts";
import { checkFloating, output } from "./output.ts";
import { reshape } from "./reshape.ts";

/**
 * One product: the equation over the axes of the weight and the factors of the channels, such as "kjai,ki->kja", and the weight. If more than
 * one factor of the channels is no axis of the weight, `sizes` gives the sizes of all but one of them.
 */
export type Stage = readonly [equation: string, weight: Tensor, sizes?: Readonly<Record<string, number>>];

/** A stage that has been read. */
interface ReadStage extends StageLetters {
  readonly tensor: Tensor;
}

const sizesOf = ({ sizes }: StageLetters, letters: readonly string[]): number[] => letters.map((letter) => sizes.get(letter)!);
const product = (stage: StageLetters, letters: readonly string[]): number => sizeOf(sizesOf(stage, letters));

/** @throws ShapeError for a stage that does not fit the one before it, or so many channels before the first one. */
function readStages(x: Tensor, stages: readonly Stage[], first: number): ReadStage[] {
  let channels = first;
  return stages.map(([equation, tensor, sizes]) => {
    checkFloating("contractChannels", x, tensor);
    const letters = stageLetters(equation, tensor.shape, channels, sizes);
    channels = product(letters, letters.output);
    return { ...letters, tensor };
  });
}

/** The weight as [blocks, outputs, inputs]. */
function blockWeight(stage: ReadStage): Tensor {
  const order = [...stage.blocks, ...stage.made, ...stage.summed];
  const axes = permute(
    stage.tensor,
    order.map((letter) => stage.weight.indexOf(letter)),
  );
  return reshape(axes, [product(stage, stage.blocks), product(stage, stage.made), product(stage, stage.summed)]);
}

/** The axes `from` of the channels in the order `to`. x:[N,…from,P] → [N,…to,P]. */
function reorder(x: Tensor, stage: StageLetters, from: readonly string[], to: readonly string[]): Tensor {
  const [batch, columns] = [x.shape[0]!, x.shape.at(-1)!];
  const split = reshape(x, [batch, ...sizesOf(stage, from), columns]);
  return permute(split, [0, ...to.map((letter) => from.indexOf(letter) + 1), from.length + 1]);
}

/**
 * One stage as a grouped 1×1 convolution. A factor that shares the weight counts as images where it comes first among the channels, and as
 * columns where it comes last.
 */
function composedStage(x: Tensor, stage: ReadStage): Tensor {
  const { input, shared, blocks, summed, made } = stage;
  const [batch, , columns] = x.shape as [number, number, number];
  const last = shared.filter((letter) => input.slice(input.indexOf(letter)).every((after) => shared.includes(after)));
  const others = shared.filter((letter) => !last.includes(letter));
  const arranged = (inner: readonly string[]): string[] => [...others, ...blocks, ...inner, ...last];
  const [images, width] = [batch * product(stage, others), product(stage, last) * columns];
  const [groups, inputs, outputs] = [product(stage, blocks), product(stage, summed), product(stage, made)];
  const source = reshape(reorder(x, stage, input, arranged(summed)), [images, groups * inputs, width, 1]);
  const y = conv2d(source, reshape(blockWeight(stage), [groups * outputs, inputs, 1, 1]), { groups });
  const result = reorder(reshape(y, [batch, y.size / (batch * columns || 1), columns]), stage, arranged(made), stage.output);
  return reshape(result, [batch, product(stage, stage.output), columns]);
}

/** The stage from cotangents of its output to cotangents of its input. */
const transposed = (stage: ReadStage): ReadStage => ({
  ...stage,
  input: stage.output,
  output: stage.input,
  summed: stage.made,
  made: stage.summed,
});

/** `contractChannels` composed of other ops: the same value and the same gradients. @throws ShapeError as `contractChannels` does. */
export function contractChannelsComposed(x: Tensor, stages: readonly Stage[]): Tensor {
  if (x.rank !== 3) throw new ShapeError(`contractChannels: x must be [N,C,P], got ${formatShape(x.shape)}`);
  return readStages(x, stages, x.shape[1]!).reduce(composedStage, x);
}

/** The VJP composed of ops, so that it can be differentiated again: the cotangents of x and of each weight. */
function composedGradient(x: Tensor, stages: readonly ReadStage[], g: Tensor): Tensor[] {
  const inputs = [x];
  for (const [s, stage] of stages.slice(0, -1).entries()) inputs.push(composedStage(inputs[s]!, stage));
  const weights: Tensor[] = [];
  let cotangent = g;
  for (const [s, stage] of [...stages.entries()].reverse()) {
    const axes = (tensor: Tensor, letters: readonly string[]): Tensor =>
      reshape(tensor, [tensor.shape[0]!, ...sizesOf(stage, letters), tensor.shape[2]!]);
    const [source, target] = [stage.input.join(""), stage.output.join("")];
    const equation = `N${target}P,N${source}P->${stage.weight.join("")}`;
    weights.unshift(einsum(equation, axes(cotangent, stage.output), axes(inputs[s]!, stage.input)));
    cotangent = composedStage(cotangent, transposed(stage));
  }
  return [cotangent, ...weights];
}

/** The stages as kernels take them. */
interface StagesOperands {
  /** The weights as [blocks, outputs, inputs]. */
  readonly blocks: readonly Tensor[];
  readonly weights: readonly Storage[];
  readonly stages: readonly ChannelStage[];
  /** The channels that the last stage makes. */
  readonly channels: number;
  /** The VJP composed of ops: the cotangents of x and of each of the blocks. */
  composedGradient(x: Tensor, g: Tensor): Tensor[];
}

/** @throws ShapeError for stages that do not fit so many channels, or each other. */
export function stagesOperands(x: Tensor, channels: number, list: readonly Stage[]): StagesOperands {
  const read = readStages(x, list, channels);
  const blocks = read.map(blockWeight);
  return {
    blocks,
    weights: blocks.map(({ storage }) => storage),
    stages: read.map((stage) => channelStage(stage)),
    channels: read.length === 0 ? channels : product(read.at(-1)!, read.at(-1)!.output),
    composedGradient(z, g) {
      const whole = read.map((stage, s): ReadStage => {
        const weight = [...stage.blocks, ...stage.made, ...stage.summed];
        return { ...stage, weight, tensor: reshape(blocks[s]!, sizesOf(stage, weight)) };
      });
      const [ofZ, ...ofWeights] = composedGradient(z, whole, g);
      return [ofZ!, ...ofWeights.map((weight, s) => reshape(weight, blocks[s]!.shape))];
    },
  };
}

/**
 * The stages applied in turn to every column. The channels of the stage "kjai,ki->kja" are those of the stage before it, split into the
 * factors k and i, and become k·j·a channels. A factor that the weight does not have, as b in "tcd,bd->btc", shares the weight.
 * x:[N,C,P] → [N,C′,P], in Σ (product of the sizes of all letters) multiply-adds a column.
 * VJP: the stages with input and output exchanged, in reverse order; the cotangent of a weight is the product of its stage's input with the
 * cotangent of its output, summed over all columns.
 * @throws ShapeError for an equation that is no product along the channels, or sizes that do not fit.
 */
export function contractChannels(x: Tensor, stages: readonly Stage[]): Tensor {
  const { contractChannels: forward, contractChannelsGradient: backward } = kernels();
  const isEmpty = stages.length === 0 || [x, ...stages.map(([, weight]) => weight)].some(({ size }) => size === 0);
  if (forward === undefined || backward === undefined || isEmpty || x.rank !== 3) return contractChannelsComposed(x, stages);
  const [batch, inChannels, columns] = x.shape as [number, number, number];
  const operands = stagesOperands(x, inChannels, stages);
  const { blocks, weights, channels } = operands;
  const geometry = { batch, columns, stages: operands.stages };
  const fusedGradient = (g: Tensor): Tensor[] => {
    const gradient = backward(x.storage, weights, g.storage, geometry);
    return [output(x.shape, gradient.x), ...gradient.weights.map((weight, s) => output(blocks[s]!.shape, weight))];
  };
  return record("contractChannels", {
    inputs: [x, ...blocks],
    value: output([batch, channels, columns], forward(x.storage, weights, geometry)),
    vjp: (g) => (isRecording() ? operands.composedGradient(x, g) : fusedGradient(g)),
  });
}
