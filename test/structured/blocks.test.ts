/** Convolution factories against blocks computed by the reference PyTorch code: values and gradients of Σ y², in both precisions. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { tensor } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory, Sep } from "../../src/structured/create-convolution.ts";
import { Conv } from "../../src/structured/dense.ts";
import { SeparableConvolution } from "../../src/structured/separable.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { decodeSafetensors, type NamedArray } from "../../src/train/safetensors.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const folder = new URL("../fixtures/blocks/", import.meta.url);

/** `Sep__i16_o32_k3_s1_p1_d1.safetensors`: the layer, channels in and out, kernel, stride, padding, dilation. */
function parse(file: string): { layer: string; numbers: number[] } | undefined {
  const [, layer, ...numbers] = /^([\w.]+)__i(\d+)_o(\d+)_k(\d+)_s(\d+)_p(\d+)_d(\d+)\.safetensors$/.exec(file) ?? [];
  // "ACDC_3wide" is ACDC_3 with diagonals far from 1.
  return layer === undefined ? undefined : { layer: layer.replace("wide", ""), numbers: numbers.map(Number) };
}

const files = readdirSync(folder).flatMap((file) => {
  const block = parse(file);
  return block === undefined ? [] : [{ file, ...block }];
});

const precisions = [
  { dtype: "float64", suffix: "64", tolerance: 1e-9 },
  { dtype: "float32", suffix: "", tolerance: 1e-4 },
] as const;

/** Largest difference relative to the largest expected magnitude. */
async function expectNear(what: string, got: Tensor, expected: NamedArray, tolerance: number): Promise<void> {
  expect([...got.shape], what).toEqual([...expected.shape]);
  const values = await got.data();
  const scale = Array.from(expected.data).reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
  for (const [i, wanted] of expected.data.entries())
    if (!(Math.abs(values[i]! - wanted) <= tolerance * scale))
      expect.fail(`${what}[${i}]: got ${values[i]}, expected ${wanted} of a scale of ${scale}`);
}

test("the fixtures hold every layer of the paper's code", () => expect(new Set(files.map(({ layer }) => layer)).size).toBe(13));

describe.each(files)("$file", ({ file, layer, numbers }) => {
  const golden = decodeSafetensors(readFileSync(new URL(file, folder)), file).tensors;
  const [inChannels, outChannels, kernel, stride, padding, dilation] = numbers as [number, number, number, number, number, number];

  test.each(precisions)("in $dtype", async ({ dtype, suffix, tolerance }) => {
    const block = convolutionFactory(parseConvolution(layer))(
      { inChannels, outChannels, kernel, stride, padding, dilation },
      { random: new Random(0), dtype },
    );
    const section = (prefix: string): Map<string, NamedArray> =>
      new Map([...golden].flatMap(([key, value]) => (key.startsWith(`${prefix}/`) ? [[key.slice(prefix.length + 1), value]] : [])));
    block.loadState(new Map([...section("param"), ...section("buffer")]));
    const given = golden.get("x")!;
    const x = tensor(given.data, { shape: given.shape, dtype });
    const y = block.forward(x, { training: true });
    await expectNear("y", y, golden.get(`y${suffix}`)!, tolerance);
    const parameters = block.parameters();
    const [gx, ...rest] = gradients(sum(multiply(y, y)), [x, ...[...parameters.values()].map(({ value }) => value)]);
    await expectNear("x̄", gx!, golden.get(`grad_x${suffix}`)!, tolerance);
    const expected = section(`grad${suffix}`);
    expect([...parameters.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [i, name] of [...parameters.keys()].entries()) await expectNear(name, rest[i]!, expected.get(name)!, tolerance);
    const pointwise = golden.get(`effective_pointwise${suffix}`);
    if (pointwise !== undefined && block instanceof SeparableConvolution) await expectNear("W", block.map.toDense(), pointwise, tolerance);
  });
});

test("a bias is the last step's, and padding keeps the size unless told", () => {
  for (const factory of [Conv, Sep]) {
    const block = factory({ inChannels: 2, outChannels: 3, kernel: 3, bias: true }, { random: new Random(0) });
    expect([...block.parameters().keys()].filter((name) => name.endsWith("bias")).length).toBe(1);
    const x = tensor(new Float32Array(2 * 5 * 5), { shape: [1, 2, 5, 5] });
    expect(block.forward(x, { training: false }).shape).toEqual([1, 3, 5, 5]);
  }
});
