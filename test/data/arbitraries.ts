/** Generated data sets and augmentations for the properties of this folder. */

import fc from "fast-check";
import type { Augmentation } from "../../src/data/augment.ts";
import type { ByteDataset, ByteSplit } from "../../src/data/dataset.ts";

/** An options record that lacks the option where its value is undefined. */
const optional = <K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<Partial<Record<K, T>>> =>
  fc.option(value, { nil: undefined }).map((v) => (v === undefined ? {} : ({ [key]: v } as Partial<Record<K, T>>)));

export const augmentations: fc.Arbitrary<Augmentation> = fc
  .tuple(
    optional("crop", fc.integer({ min: 0, max: 9 })),
    optional("flip", fc.constantFrom(false, true, "alternating" as const)),
    optional("cutout", fc.integer({ min: 0, max: 20 })),
    optional("mixup", fc.constantFrom(0, 0.2, 1)),
  )
  .map(([crop, flip, cutout, mixup]) => ({ ...crop, ...flip, ...cutout, ...mixup }));

export const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** The sizes of a small data set, which can be printed when a property fails. */
export interface Sizes {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

export const sizes: fc.Arbitrary<Sizes> = fc.record({
  count: fc.integer({ min: 1, max: 40 }),
  channels: fc.integer({ min: 1, max: 4 }),
  height: fc.integer({ min: 1, max: 9 }),
  width: fc.integer({ min: 1, max: 9 }),
});

/** Bytes without a visible pattern: an integer hash of position and salt. */
export function scrambledBytes(length: number, salt: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.imul(Math.imul(i + 1, 0x9e3779b1) ^ (salt + 1), 0x85ebca6b) >>> 24);
}

export function sampleDataset({ count, channels, height, width }: Sizes, salt = 0): ByteDataset {
  const split = (shift: number): ByteSplit => ({
    images: scrambledBytes(count * channels * height * width, salt + shift),
    labels: scrambledBytes(count, salt + shift + 100).map((byte) => byte % 10),
    count,
  });
  return {
    name: "sample",
    classes: Array.from({ length: 10 }, (_, i) => `class ${i}`),
    channels,
    height,
    width,
    train: split(0),
    test: split(1),
    mean: Array.from({ length: channels }, (_, c) => 0.4 + 0.05 * c),
    std: Array.from({ length: channels }, (_, c) => 0.2 + 0.03 * c),
  };
}
