/** Products along the channels, stage by stage: every kind of letter, in any order, with sizes that fill tiles and sizes that leave a rest. */

import fc from "fast-check";
import { type ChannelStage, channelStage, stageLetters } from "../../src/core/channel-stage.ts";
import { sizeOf } from "../../src/core/shape.ts";

export interface DrawnStage {
  readonly equation: string;
  readonly weight: readonly number[];
  readonly sizes: Readonly<Record<string, number>>;
}

export interface DrawnStages {
  readonly batch: number;
  readonly channels: number;
  readonly columns: number;
  readonly stages: readonly DrawnStage[];
}

/** A size that divides `n`. */
const divisor = (n: number, pick: number): number => {
  const all = Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0);
  return all[pick % all.length]!;
};

const shuffled = <T>(items: readonly T[], keys: readonly number[]): T[] =>
  items
    .map((item, i) => ({ item, key: keys[i]! }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);

const keys = fc.array(fc.nat(), { minLength: 5, maxLength: 5 });

/** How a stage splits its channels: into shared places s and t, blocks b and c, and summed factors i. The outputs are o. */
const split = fc.record({ picks: keys, outputs: fc.integer({ min: 1, max: 7 }), input: keys, output: keys, weight: keys });

function stageOf(channels: number, { picks, outputs, input, output, weight }: typeof split extends fc.Arbitrary<infer S> ? S : never) {
  let rest = channels;
  const sizes = new Map<string, number>();
  for (const [k, letter] of ["s", "t", "b", "c"].entries()) {
    // Half of the letters have size 1.
    const size = picks[k]! % 2 === 0 ? 1 : divisor(rest, picks[k]! >> 1);
    sizes.set(letter, size);
    rest /= size;
  }
  sizes.set("i", rest);
  sizes.set("o", outputs);
  const term = (letters: string[], order: readonly number[]): string[] => shuffled(letters, order);
  const [from, to, of] = [
    term(["s", "t", "b", "c", "i"], input),
    term(["s", "t", "b", "c", "o"], output),
    term(["b", "c", "o", "i"], weight),
  ];
  const stage: DrawnStage = {
    equation: `${of.join("")},${from.join("")}->${to.join("")}`,
    weight: of.map((letter) => sizes.get(letter)!),
    sizes: { s: sizes.get("s")!, t: sizes.get("t")! },
  };
  return { stage, channels: sizeOf(to.map((letter) => sizes.get(letter)!)) };
}

export const drawnStages = (most: { channels: number; columns: number; batch: number }): fc.Arbitrary<DrawnStages> =>
  fc
    .record({
      batch: fc.integer({ min: 1, max: most.batch }),
      channels: fc.integer({ min: 1, max: most.channels }),
      columns: fc.oneof(fc.integer({ min: 1, max: most.columns }), fc.constant(Math.min(16, most.columns))),
      splits: fc.array(split, { minLength: 1, maxLength: 3 }),
    })
    .map(({ batch, channels, columns, splits }) => {
      let rows = channels;
      const stages = splits.map((drawn) => {
        const { stage, channels: made } = stageOf(rows, drawn);
        rows = made;
        return stage;
      });
      return { batch, channels, columns, stages };
    });

/** The stages as kernels take them. */
export function geometryOfStages({ batch, channels, columns, stages }: DrawnStages): {
  batch: number;
  columns: number;
  stages: ChannelStage[];
} {
  let rows = channels;
  return {
    batch,
    columns,
    stages: stages.map(({ equation, weight, sizes }) => {
      const stage = channelStage(stageLetters(equation, weight, rows, sizes));
      rows = stage.groups * stage.outputs;
      return stage;
    }),
  };
}
