/**
 * The picture of a contraction, drawn from the stages that a structured map gives to `contractChannels`. Time runs down. A line is a factor
 * of the channels. A line that ends in a box is summed there, and a line that begins at a box is made there. A line through a box has blocks
 * of weights of its own at each place (solid), or shares the weights between its places (broken).
 */

import { type StageLetters, stageLetters } from "../../../src/core/channel-stage.ts";
import { sizeOf } from "../../../src/core/shape.ts";
import type { Stage } from "../../../src/ops/contract-channels.ts";
import { box, curve, line, picture, text, textWidth } from "./svg.ts";

const [left, spacing, wire, boxHeight, barHeight] = [24, 52, 40, 44, 6];

/** 12345 as "12,345". */
export const grouped = (value: number): string => value.toLocaleString("en-US");

/** What the text beside a box says. */
export interface StageNotes {
  /** The name of the weight. Default: "weight". */
  readonly name?: string;
  /**
   * What the page calls the factors that the equation has letters for: `{ d: "d₃" }`. A letter that is left out has size 1 and is not
   * drawn. Default: the letters themselves.
   */
  readonly symbols?: Readonly<Record<string, string>>;
}

/** The equation with the symbols of the page in the place of its letters. */
function equationOf(equation: string, symbols: StageNotes["symbols"]): string {
  if (symbols === undefined) return equation;
  const term = (letters: string): string => [...letters].flatMap((letter) => symbols[letter] ?? []).join("·");
  const [weight = "", input = "", output = ""] = equation.split(/,|->/);
  return `${term(weight)}, ${term(input)} → ${term(output)}`;
}

/**
 * The picture for a map from `channels` inputs.
 * @throws Error for symbols that leave out a letter whose size is not 1.
 */
export function contractionPicture(title: string, channels: number, stages: readonly Stage[], notes: readonly StageNotes[] = []): string {
  const read: StageLetters[] = [];
  let count = channels;
  for (const [equation, weight, sizes] of stages) {
    const letters = stageLetters(equation, weight.shape, count, sizes);
    read.push(letters);
    count = sizeOf(letters.output.map((letter) => letters.sizes.get(letter)!));
  }
  const most = Math.max(...read.flatMap(({ input, output }) => [input.length, output.length]));
  const right = left + spacing * most;
  const place = (letters: readonly string[], letter: string): number =>
    left + (right - left) * ((letters.indexOf(letter) + 0.5) / letters.length);
  const bar = (y: number, label: string): string[] => [
    box(left, y, right - left, barHeight, "bar", 3),
    text(right + 14, y + barHeight + 1, label, { anchor: "start", paint: "dim" }),
  ];
  const parts = bar(4, `${grouped(channels)} inputs`);
  let y = 4 + barHeight;
  /** What the widest text beside a box needs. */
  let beside = 190;
  for (const [s, letters] of read.entries()) {
    const { blocks, shared, sizes, weight } = letters;
    const { name = "weight", symbols } = notes[s] ?? {};
    const drawn = (letter: string): boolean => symbols === undefined || letter in symbols;
    for (const [letter, size] of sizes)
      if (!drawn(letter) && size !== 1)
        throw new Error(`contractionPicture: ${stages[s]![0]} must have a symbol for ${letter}, whose size is ${size}`);
    const [input, output] = [letters.input.filter(drawn), letters.output.filter(drawn)];
    const [top, bottom] = [y + wire, y + wire + boxHeight];
    const end = bottom + wire;
    const size = (letter: string): string => `${symbols?.[letter] ?? letter} = ${sizes.get(letter)}`;
    const through = [...blocks, ...shared];
    parts.push(box(left, top, right - left, boxHeight, s % 2 === 0 ? "accent" : "other"));
    for (const letter of input) {
      const x = place(input, letter);
      parts.push(text(x + 5, y + wire / 2 + 4, size(letter), { anchor: "start", paint: "dim" }));
      if (through.includes(letter))
        parts.push(line(x, y, x, top), curve(x, top, place(output, letter), bottom, { dashed: shared.includes(letter) }));
      else parts.push(line(x, y, x, top, { arrow: true }));
    }
    for (const letter of output) {
      const x = place(output, letter);
      parts.push(line(x, bottom, x, end), text(x + 5, bottom + wire / 2 + 4, size(letter), { anchor: "start", paint: "dim" }));
    }
    const shape = weight.map((letter) => sizes.get(letter)!);
    const multiplyAdds = sizeOf([...sizes.values()]);
    const lines = [equationOf(stages[s]![0], symbols), `${name} [${shape.join(",")}]`, `${grouped(multiplyAdds)} multiply-adds`];
    beside = Math.max(beside, 20 + textWidth(lines[0]!));
    for (const [i, each] of lines.entries())
      parts.push(text(right + 14, top + 10 + 17 * i, each, { anchor: "start", bold: i === 0, ...(i > 0 ? { paint: "dim" } : {}) }));
    const made = sizeOf(letters.output.map((letter) => sizes.get(letter)!));
    parts.push(...bar(end, s === read.length - 1 ? `${grouped(made)} outputs` : `${grouped(made)} channels`));
    y = end + barHeight;
  }
  return picture(right + beside, y + 6, title, parts);
}

export interface Step {
  readonly label: string;
  readonly detail: string;
}

/** The picture of steps that are no products along factors of the channels: a box for each, from the top to the bottom. */
export function stepsPicture(title: string, steps: readonly Step[]): string {
  const [width, height, gap] = [130, 34, 24];
  const parts = steps.flatMap(({ label, detail }, i) => {
    const top = 4 + i * (height + gap);
    return [
      ...(i === 0 ? [] : [line(left + width / 2, top - gap, left + width / 2, top, { arrow: true })]),
      box(left, top, width, height, i === 0 || i === steps.length - 1 ? "box" : "accent"),
      text(left + width / 2, top + 22, label),
      text(left + width + 14, top + 22, detail, { anchor: "start", paint: "dim" }),
    ];
  });
  return picture(left + width + 260, steps.length * (height + gap) - gap + 8, title, parts);
}
