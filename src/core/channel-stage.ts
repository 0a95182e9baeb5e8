/**
 * A product along the channels, written as an equation such as "kjai,ki->kja": the axes of a weight, the factors into which the channels of
 * the input split, and those of the output. It becomes a product by blocks: a few plain numbers, and two lists of rows. (A row is a channel.)
 */

import { ShapeError } from "./errors.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "./shape.ts";

/**
 * Output row writes[g·outputs + o] is Σ_i w[g mod weights, o, i] · input row reads[g·inputs + i], for each group g. The lists name each row
 * of the input and of the output once.
 */
export interface ChannelStage {
  readonly groups: number;
  /** The number of blocks of the weight. Groups share a block where there are fewer blocks than groups. */
  readonly weights: number;
  /** Rows of the input and of the output for each group. */
  readonly inputs: number;
  readonly outputs: number;
  readonly reads: Int32Array;
  readonly writes: Int32Array;
}

/** The letters of an equation by the part that they play, with their sizes. */
export interface StageLetters {
  readonly weight: readonly string[];
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
  /** Of input and output but not of the weight: the same product at each of their places. */
  readonly shared: readonly string[];
  /** Of all three: a product of its own at each of their places. */
  readonly blocks: readonly string[];
  /** Of weight and input: summed. */
  readonly summed: readonly string[];
  /** Of weight and output. */
  readonly made: readonly string[];
}

const sizeOfLetters = (letters: readonly string[], sizes: ReadonlyMap<string, number>): Shape =>
  letters.map((letter) => sizes.get(letter)!);

/**
 * Reads an equation for a weight of the given shape and an input of so many channels. One letter of the input may be neither in
 * the weight nor among the given sizes: its size is what the others leave of the channels.
 * @throws ShapeError for an equation that is no product along the channels, or sizes that do not fit.
 */
export function stageLetters(
  equation: string,
  weightShape: Shape,
  channels: number,
  given: Readonly<Record<string, number>> = {},
): StageLetters {
  const match = /^([a-z]+),([a-z]+)->([a-z]+)$/.exec(equation);
  const [weight, input, output] = (match?.slice(1) ?? ["", "", ""]).map((term) => [...term]) as [string[], string[], string[]];
  const distinct = [weight, input, output].every((term) => new Set(term).size === term.length);
  const known = (letter: string, ...terms: string[][]): boolean => terms.some((term) => term.includes(letter));
  const shared = input.filter((letter) => !known(letter, weight));
  const fits = weight.every((letter) => known(letter, input, output)) && shared.every((letter) => known(letter, output));
  if (match === null || !distinct || !fits || !output.every((letter) => known(letter, weight, input)))
    throw new ShapeError(`contractChannels: an equation must be a product along the channels, such as "oi,i->o", got "${equation}"`);
  if (weight.length !== weightShape.length)
    throw new ShapeError(`contractChannels: "${weight.join("")}" must name each axis of its weight, got ${formatShape(weightShape)}`);
  const sizes = new Map([...Object.entries(given), ...weight.map((letter, axis): [string, number] => [letter, weightShape[axis]!])]);
  const [unknown, ...more] = input.filter((letter) => !sizes.has(letter));
  const rest = channels / sizeOf(input.filter((letter) => sizes.has(letter)).map((letter) => sizes.get(letter)!));
  if (unknown !== undefined) sizes.set(unknown, rest);
  if (more.length > 0 || !Number.isInteger(rest) || (unknown === undefined && rest !== 1))
    throw new ShapeError(`contractChannels: "${equation}" with the weight ${formatShape(weightShape)} does not fit ${channels} channels`);
  const blocks = weight.filter((letter) => known(letter, input) && known(letter, output));
  const summed = weight.filter((letter) => known(letter, input) && !known(letter, output));
  const made = weight.filter((letter) => !known(letter, input));
  return { weight, input, output, sizes, shared, blocks, summed, made };
}

/** The rows that a term names when its letters run in the order `order`. */
function rowsOf(term: readonly string[], order: readonly string[], sizes: ReadonlyMap<string, number>): Int32Array {
  const strides = stridesOf(sizeOfLetters(term, sizes));
  return order.reduce<Int32Array>((rows, letter) => {
    const [size, stride] = [sizes.get(letter)!, strides[term.indexOf(letter)]!];
    return Int32Array.from({ length: rows.length * size }, (_, at) => rows[Math.floor(at / size)]! + (at % size) * stride);
  }, Int32Array.of(0));
}

/** The product by blocks of an equation. Its weight has the axes [blocks…, made…, summed…]. */
export function channelStage({ input, output, sizes, shared, blocks, summed, made }: StageLetters): ChannelStage {
  const count = (letters: readonly string[]): number => sizeOf(sizeOfLetters(letters, sizes));
  return {
    groups: count([...shared, ...blocks]),
    weights: count(blocks),
    inputs: count(summed),
    outputs: count(made),
    reads: rowsOf(input, [...shared, ...blocks, ...summed], sizes),
    writes: rowsOf(output, [...shared, ...blocks, ...made], sizes),
  };
}

/** The multiply-adds of a stage for one column. */
export const stageMultiplyAdds = ({ groups, inputs, outputs }: ChannelStage): number => groups * inputs * outputs;

/** The multiply-adds of all stages for one column. */
export const stagesMultiplyAdds = (stages: readonly ChannelStage[]): number =>
  stages.reduce((sum, stage) => sum + stageMultiplyAdds(stage), 0);
