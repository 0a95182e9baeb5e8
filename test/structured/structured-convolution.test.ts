/**
 * Every structured convolution against the ordinary one with the dense kernel it claims to stand for:
 * values and gradients, along both paths.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import type { Padding } from "../../src/core/convolution-geometry.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { frobenius } from "../../src/linalg/matrix.ts";
import type { Layer } from "../../src/nn/module.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { normal, zeros } from "../../src/ops/creation.ts";
import { multiply, subtract } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { DenseConvolution } from "../../src/structured/dense.ts";
import { HashedConvolution } from "../../src/structured/hashed-convolution.ts";
import { SeparableConvolution } from "../../src/structured/separable.ts";
import { ShuffleConvolution } from "../../src/structured/shuffle-linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { paddings } from "../arbitraries/geometries.ts";
import { type StructuredConfiguration, structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";

const cases = Math.ceil(Number(process.env.STRUCTURED_CASES ?? 60) / 4);

interface Site extends StructuredConfiguration {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: Padding;
  readonly dilation: number;
  readonly height: number;
  readonly width: number;
}

const sites = (kind: (typeof structuredKinds)[number]): fc.Arbitrary<Site> =>
  fc
    .tuple(
      structuredConfigurations(kind),
      fc.record({
        kernel: fc.constantFrom(1, 2, 3),
        stride: fc.integer({ min: 1, max: 3 }),
        padding: paddings(2),
        dilation: fc.integer({ min: 1, max: 2 }),
        height: fc.integer({ min: 5, max: 7 }),
        width: fc.integer({ min: 5, max: 7 }),
      }),
    )
    // Spectral initialisation is of 1×1 maps; windows of a shuffle block have none.
    .map(([linear, window]) => ({ ...linear, ...window, init: linear.init === "spectral" ? "reference" : linear.init }));

function kernelOf(layer: Layer): Tensor {
  if (layer instanceof DenseConvolution) return layer.conv.weight.value;
  if (layer instanceof SeparableConvolution || layer instanceof ShuffleConvolution || layer instanceof HashedConvolution)
    return layer.toDenseKernel();
  throw new Error(`${layer.constructor.name}: a structured convolution must say which kernel it stands for`);
}

async function check(site: Site, dtype: "float32" | "float64", path: "factorized" | "dense"): Promise<void> {
  const { spec, inFeatures, outFeatures, kernel, stride, padding, dilation, rows, seed, init, height, width } = site;
  const tolerance = dtype === "float64" ? 1e-10 : 1e-4;
  const random = new Random(seed % 2 ** 31);
  const layer: Layer = convolutionFactory(spec, { init, mode: path })(
    { inChannels: inFeatures, outChannels: outFeatures, kernel, stride, padding, dilation },
    { random, dtype },
  );
  const x = normal([Math.min(2, rows), inFeatures, height, width], random, { dtype });
  // What remains of a 1×1 low-rank layer's padding is none, as in the paper's code.
  const dropped = kernel === 1 && (spec.kind === "Generic" || spec.kind === "LR");
  const options = { stride, padding: dropped ? 0 : padding, dilation };
  // Layers with biases are affine: their linear part is what is left of them.
  const linear = (): Tensor => subtract(layer.forward(x, { training: true }), layer.forward(zeros(x.shape, { dtype }), { training: true }));
  const dense = (): Tensor => conv2d(x, kernelOf(layer), options);
  const [y, expected] = [linear(), dense()];
  expect(y.shape).toEqual(expected.shape);
  const [values, wanted] = [await y.data(), await expected.data()];
  const g = normal(y.shape, random, { dtype });
  const parameters = [...layer.parameters()].filter(([name]) => !name.endsWith("bias"));
  const wrt = [x, ...parameters.map(([, { value }]) => value)];
  const norms = { x: frobenius(await x.data()), g: frobenius(await g.data()), k: frobenius(await kernelOf(layer).data()) };
  const near = async (what: string, got: ArrayLike<number>, truth: ArrayLike<number>, scale: number): Promise<void> => {
    const worst = Array.from(truth).reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
    expect(worst / (scale || 1), what).toBeLessThanOrEqual(tolerance);
    expect(got.length, what).toBe(truth.length);
  };
  // The bias cancels, but only after it was added: its size counts as well.
  const offset = frobenius(await layer.forward(zeros(x.shape, { dtype }), { training: true }).data());
  await near("y", values, wanted, norms.x * norms.k + offset);
  const [along, truth] = [linear, dense].map((run) => gradients(sum(multiply(run(), g)), wrt, { unused: "zeros" })) as [Tensor[], Tensor[]];
  for (const [k, gradient] of along.entries()) {
    const size = k === 0 ? norms.x : frobenius(await parameters[k - 1]![1].read());
    const name = k === 0 ? "x" : parameters[k - 1]![0];
    await near(name, await gradient.data(), await truth[k]!.data(), (norms.g * norms.x * norms.k) / (size || 1));
  }
  layer.dispose();
  // Promises alone never let finalizers run, and thousands of cases would keep all their tensors: a turn of the event loop for each.
  await new Promise((resolve) => setImmediate(resolve));
}

/** What a convolution with two biases makes of x = 0, and the gradients of both biases, written out: W·c + b, Wᵀ·Σg and Σg. */
async function checkBiases(site: Site, dtype: "float32" | "float64"): Promise<void> {
  const { spec, inFeatures, outFeatures, stride, padding, dilation, rows, seed, height, width } = site;
  const random = new Random(seed % 2 ** 31);
  const place = { inChannels: inFeatures, outChannels: outFeatures, kernel: 3, stride, padding, dilation };
  const layer = convolutionFactory(spec)(place, { random, dtype }) as SeparableConvolution;
  const [windowBias, bias] = [layer.grouped!.bias!.value, layer.bias!.value];
  const y = (): Tensor => layer.forward(zeros([Math.min(2, rows), inFeatures, height + 2, width + 2], { dtype }), { training: true });
  const g = normal(y().shape, random, { dtype });
  const [values, gs, w] = [await y().data(), await g.data(), await layer.map.toDense().data()];
  const [c, b] = [Array.from(await windowBias.data()), await bias.data()];
  const pixels = y().shape[2]! * y().shape[3]!;
  const channelOf = (i: number): number => Math.floor(i / pixels) % outFeatures;
  const expected = Array.from(
    { length: outFeatures },
    (_, o) => b[o]! + c.reduce((sum, each, i) => sum + w[o * inFeatures + i]! * each, 0),
  );
  const sums = new Float64Array(outFeatures);
  gs.forEach((value, i) => {
    sums[channelOf(i)]! += value;
  });
  const throughMap = Array.from({ length: inFeatures }, (_, i) => sums.reduce((sum, each, o) => sum + w[o * inFeatures + i]! * each, 0));
  const [ofWindow, ofMap] = gradients(sum(multiply(y(), g)), [windowBias, bias]) as [Tensor, Tensor];
  const tolerance = dtype === "float64" ? 1e-12 : 1e-5;
  const near = (got: ArrayLike<number>, truth: ArrayLike<number>, terms: number): void => {
    expect(got.length).toBe(truth.length);
    for (let i = 0; i < truth.length; i++) expect(Math.abs(got[i]! - truth[i]!)).toBeLessThanOrEqual(tolerance * (terms + 1));
  };
  near(
    values,
    Array.from(values, (_, i) => expected[channelOf(i)]!),
    inFeatures,
  );
  near(await ofMap.data(), sums, pixels);
  near(await ofWindow.data(), throughMap, pixels * outFeatures);
  layer.dispose();
}

const backends: readonly { readonly name: string; readonly dtype: "float32" | "float64"; create(): Kernels | Promise<Kernels> }[] = [
  { name: "reference in float64", dtype: "float64", create: createReferenceBackend },
  { name: "wasm, 2 threads", dtype: "float32", create: () => createWasmBackend({ threads: 2 }) },
];

describe.each(backends)("structured convolutions on $name", ({ dtype, create }) => {
  beforeAll(async () => useBackend(await create()));
  afterAll(() => useBackend(undefined));

  test.each(structuredKinds)("%s", async (kind) => {
    await fc.assert(
      fc.asyncProperty(sites(kind), fc.constantFrom("factorized" as const, "dense" as const), async (site, path) =>
        check(site, dtype, path),
      ),
      { numRuns: cases },
    );
  });

  test("the bias of a window goes through the map", () =>
    fc.assert(
      fc.asyncProperty(sites("HashedSeparable"), (site) => checkBiases(site, dtype)),
      { numRuns: 20 },
    ));
});
