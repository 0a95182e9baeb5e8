/** Generated settings of the playground. */

import fc from "fast-check";
import { familyChoices } from "../../src/playground/family-choices.ts";
import { dataSources, type FamilyChange, type PlaygroundSettings, runNames } from "../../src/playground/settings.ts";

const convolution = fc.oneof(
  fc.constantFrom(...familyChoices.flatMap(({ sizes }) => sizes)),
  fc.constantFrom("Generic_0.25x2", "Generic_0.1,Sep", "MatrixTensorTrain_8_2", "BLAST_0.25_4"),
);

const change: fc.Arbitrary<FamilyChange> = fc.record({
  run: fc.constantFrom(...runNames),
  step: fc.integer({ min: 1, max: 9_999_999 }),
  conv: convolution,
});

export const choices: fc.Arbitrary<PlaygroundSettings> = fc.record({
  data: fc.constantFrom(...dataSources),
  train: fc.integer({ min: 32, max: 50_000 }),
  test: fc.integer({ min: 16, max: 10_000 }),
  network: fc.constantFrom("wrn", "fast"),
  depth: fc.integer({ min: 10, max: 40 }),
  width: fc.integer({ min: 1, max: 8 }),
  a: convolution,
  b: fc.oneof(fc.constant("none"), convolution),
  epochs: fc.integer({ min: 1, max: 200 }),
  batch: fc.integer({ min: 8, max: 512 }),
  optimizer: fc.constantFrom("sgd", "adam", "muon"),
  rate: fc.double({ min: 1e-9, max: 1e6, noNaN: true }),
  augment: fc.constantFrom("none", "flip", "crop:4,flip"),
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  changes: fc.array(change, { maxLength: 16 }),
  backend: fc.constantFrom("wasm", "auto", "webgpu", "webgl2"),
  threads: fc.integer({ min: 0, max: 64 }),
  simd: fc.constantFrom("auto", "baseline", "relaxed"),
});
