/** The families that the page offers can be made, and a run can change to them. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { refusal } from "../../src/compress/approximate-convolution.ts";
import { Random } from "../../src/core/random.ts";
import { costsOf } from "../../src/playground/costs.ts";
import { familyChoices, placeOf, titleOf } from "../../src/playground/family-choices.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

describe.each(familyChoices)("$title", ({ kind, sizes, usual }) => {
  test("every size makes a Wide ResNet, and a larger size has more parameters", () => {
    for (const width of [1, 3]) {
      const parameters = sizes.map(
        (text) => costsOf({ kind: "wrn", depth: 10, width, convolution: parseConvolution(text) }, 10, 32).parameters,
      );
      expect(parameters).toEqual([...new Set(parameters)].sort((a, b) => a - b));
    }
    expect(sizes[usual]).toBeDefined();
  });

  test("is one that a trained network can change to", () => {
    for (const text of sizes) {
      const spec = parseConvolution(text);
      const layer = convolutionFactory(spec)({ inChannels: 16, outChannels: 16, kernel: 3 }, { random: new Random(0) });
      expect(refusal(layer, spec)).toBeUndefined();
    }
  });

  test("is found again by its text", () => {
    for (const [size, text] of sizes.entries()) expect(placeOf(text)).toMatchObject({ family: { kind }, size });
  });
});

test("a text that the page does not offer is shown as it is", () => {
  expect(placeOf("TensorTrain_0.33")).toBeUndefined();
  expect([titleOf("TensorTrain_0.33"), titleOf("TensorTrain_0.5"), titleOf("Conv")]).toEqual([
    "TensorTrain_0.33",
    "Tensor-Train 0.5",
    "Dense",
  ]);
});
