/** Ranks from an error or a budget: what is promised of each layer, what the choice minimises, and networks of a spec for each layer. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compressConvolution } from "../../src/compress/approximate-convolution.ts";
import { compress } from "../../src/compress/compress.ts";
import type { LayerCandidate } from "../../src/compress/layer-curve.ts";
import { planCompression, shareParameters } from "../../src/compress/plan.ts";
import type { Context } from "../../src/core/context.ts";
import { Random } from "../../src/core/random.ts";
import { frobenius } from "../../src/linalg/matrix.ts";
import { tensorArray } from "../../src/linalg/tensor-array.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import type { Build } from "../../src/nn/init.ts";
import { Layer } from "../../src/nn/module.ts";
import { normal } from "../../src/ops/creation.ts";
import type { ConvolutionFactory } from "../../src/structured/convolution-factory.ts";
import { formatConvolution, parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { Conv, DenseConvolution } from "../../src/structured/dense.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { decodeModel, encodeModel } from "../../src/train/model-file.ts";
import { normalValues } from "../linalg/support.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const options = { depth: 10, width: 1, classes: 7 };
const channels = [8, 12, 12, 16] as const;

/** Three convolutions, one after the other. */
class Chain extends Layer {
  readonly convolutions: readonly Layer[];

  constructor(convolution: ConvolutionFactory, build: Build) {
    super();
    this.convolutions = channels.slice(1).map((outChannels, i) => convolution({ inChannels: channels[i]!, outChannels, kernel: 3 }, build));
  }

  withConvolution(convolution: ConvolutionFactory, build: Build): Chain {
    return new Chain(convolution, build);
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.convolutions.reduce((y, layer) => layer.forward(y, context), x);
  }
}

/** A network whose kernels are separable up to some noise, with fewer directions in the first layers than in the last. */
function dense(): Chain {
  const network = new Chain(Conv, { random: new Random(3) });
  for (const [layer, { conv }] of (network.convolutions as readonly DenseConvolution[]).entries()) {
    const [outputs, inputs] = conv.weight.shape as [number, number];
    const terms = Array.from({ length: 2 * (layer + 1) }, (_, k) => ({
      o: normalValues(outputs, 100 * layer + k),
      i: normalValues(inputs, 200 * layer + k + 50),
      t: normalValues(9, 300 * layer + (k % 2)),
    }));
    const noise = normalValues(outputs * inputs * 9, layer);
    conv.weight.write(
      Float64Array.from(noise, (value, at) => {
        const [o, i, t] = [Math.floor(at / 9 / inputs), Math.floor(at / 9) % inputs, at % 9];
        return terms.reduce((sum, term, k) => sum + (term.o[o]! * term.i[i]! * term.t[t]!) / (k + 1), 0) + 0.02 * value;
      }),
    );
  }
  return network;
}

describe("planCompression", () => {
  test("with an error keeps every layer within it, and no smaller rank is within it", async () => {
    const network = dense();
    const error = 0.15;
    const plan = await planCompression(network, "Generic", { error });
    const { layers, ...compressed } = await compress(network, plan.spec);
    expect(compressed.parametersAfter).toBe(plan.parameters);
    const convolutions = network.modules().filter((module) => module instanceof DenseConvolution);
    for (const [i, { relativeError, parametersAfter, name }] of layers.entries()) {
      const { chosen } = plan.layers[i]!;
      expect(relativeError).toBeLessThanOrEqual(error);
      expect(plan.layers[i]!.name).toBe(name);
      expect(parametersAfter).toBe(chosen.parameters);
      expect(chosen.error).toBeCloseTo(relativeError, 6);
      expect(parametersAfter).toBeLessThan(plan.layers[i]!.parameters);
      // One rank less, with as many windows, is not near enough.
      const { weight } = convolutions[i]!.conv;
      const [outChannels, inChannels] = weight.shape as [number, number];
      const most = Math.max(outChannels, inChannels);
      const { scale } = parseConvolution(formatConvolution(chosen.spec).split("x")[0]!) as { scale: number };
      const less = `Generic_${((Math.floor(scale * most) - 1 + 0.5) / most).toFixed(4)}${chosen.windows > 1 ? `x${chosen.windows}` : ""}`;
      if (Math.floor(scale * most) === 1) continue;
      const kernel = tensorArray(weight.shape, await weight.read());
      const nearest = await compressConvolution(kernel, { inChannels, outChannels, kernel: 3 }, parseConvolution(less), {
        random: new Random(0),
      });
      expect(nearest.error.relative).toBeGreaterThan(error);
    }
    // The layers differ, so their ranks do.
    expect(new Set(plan.layers.map(({ chosen }) => formatConvolution(chosen.spec))).size).toBeGreaterThan(1);
  });

  test("with one window leaves a layer dense whose window alone loses too much", async () => {
    const network = dense();
    const plan = await planCompression(network, "Generic", { error: 0.05 }, { windows: 1 });
    for (const { chosen, candidates } of plan.layers) {
      expect(chosen.windows).toBe(1);
      if (Math.min(...candidates.filter(({ spec }) => spec.kind !== "Conv").map(({ error }) => error)) > 0.05)
        expect(chosen.spec).toEqual({ kind: "Conv" });
    }
    expect(plan.layers.some(({ chosen }) => chosen.spec.kind === "Conv")).toBe(true);
  });

  test("with a budget keeps to it, and loses less than one scale for all layers", async () => {
    const network = dense();
    const uniform = await compress(network, { kind: "Generic", scale: 0.2 });
    const plan = await planCompression(network, "Generic", { parameters: uniform.parametersAfter });
    const { layers, parametersAfter } = await compress(network, plan.spec);
    expect(parametersAfter).toBe(plan.parameters);
    expect(parametersAfter).toBeLessThanOrEqual(uniform.parametersAfter);
    const loss = (all: typeof layers): number => frobenius(all.map(({ relativeError }) => relativeError));
    expect(loss(layers)).toBeLessThan(loss(uniform.layers));
  });

  test("works for families without a rank, and names what it refuses", async () => {
    const network = dense();
    const plan = await planCompression(network, "Sep", { error: 0.1 });
    for (const { chosen } of plan.layers) expect(chosen.error).toBeLessThanOrEqual(0.1);
    await expect(planCompression(network, "Generic", { parameters: 50 })).rejects.toThrow(/must be at least the [\d,]+ of the smallest/);
    await expect(planCompression(network, "Generic_0.5", { error: 0.1 })).rejects.toThrow("must be the kind of a built-in one");
    await expect(planCompression(network, "Generic", { error: 0 })).rejects.toThrow("error must be");
  });
});

describe("shareParameters", () => {
  const curve = fc
    .array(fc.record({ parameters: fc.integer({ min: 1, max: 40 }), error: fc.double({ min: 0, max: 1, noNaN: true }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((points): LayerCandidate[] =>
      [...points, { parameters: 41, error: 0 }].map((point) => ({ ...point, spec: { kind: "Conv" }, windows: 1 })),
    );

  test("keeps to the budget, and has no larger a squared error than any choice with a step less", () => {
    fc.assert(
      fc.property(fc.array(curve, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 130 }), (curves, budget) => {
        const sizeOf = (choice: readonly LayerCandidate[]): number => choice.reduce((sum, { parameters }) => sum + parameters, 0);
        const lossOf = (choice: readonly LayerCandidate[]): number => choice.reduce((sum, { error }) => sum + error ** 2, 0);
        const every = curves.reduce<LayerCandidate[][]>(
          (choices, candidates) => choices.flatMap((choice) => candidates.map((candidate) => [...choice, candidate])),
          [[]],
        );
        const chosen = shareParameters(curves, budget);
        const least = Math.min(...every.map(sizeOf));
        expect(chosen === undefined).toBe(budget < least);
        if (chosen === undefined) return;
        expect(sizeOf(chosen)).toBeLessThanOrEqual(budget);
        // The steps are in the order of what they save for each parameter. So up to the first step that does not fit, which costs 40 at
        // most, no other choice with as many parameters is better.
        const others = every.filter((choice) => sizeOf(choice) <= budget - 40).map(lossOf);
        for (const loss of others) expect(lossOf(chosen)).toBeLessThanOrEqual(loss + 1e-12);
      }),
    );
  });

  test("is the best choice of all where the hull is the whole curve", () => {
    // Errors that fall ever more slowly: every candidate is on its hull, and every step has the same cost, so that every step fits.
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.nat(16),
        (allGains, extra) => {
          const curves = allGains.map((gains) => {
            const falling = [...gains].sort((a, b) => b - a);
            return Array.from({ length: falling.length + 1 }, (_, k): LayerCandidate => {
              const square = falling.slice(k).reduce((sum, gain) => sum + gain, 0);
              return { spec: { kind: "Conv" }, windows: 1, parameters: k + 1, error: Math.sqrt(square) };
            });
          });
          const chosen = shareParameters(curves, curves.length + extra)!;
          // The largest gains of all layers are the best ones to take.
          const gains = allGains.flat().sort((a, b) => b - a);
          const expected = gains.slice(extra).reduce((sum, gain) => sum + gain, 0);
          expect(chosen.reduce((sum, { error }) => sum + error ** 2, 0)).toBeCloseTo(expected, 10);
        },
      ),
    );
  });
});

describe("a network with a spec for each layer", () => {
  const text = "Generic_0.25x2,Sep,Conv,TensorTrain_0.5,Monarch_2x3,BLAST_0.25";

  test("is written as its specs and read again, and one factory makes the same layers for every network", () => {
    const spec = parseConvolution(text);
    expect(formatConvolution(spec)).toBe(text);
    const convolution = convolutionFactory(spec);
    const shapes = (seed: number): string[] =>
      [...new WideResNet({ ...options, convolution }, { random: new Random(seed) }).state()].map(([name, { shape }]) => `${name} ${shape}`);
    expect(shapes(1)).toEqual(shapes(0));
    // The second convolution of the network is `Sep`, whose map is dense.
    expect(shapes(0).some((line) => line.startsWith("block1.0.layer.0.conv2.pointwise.weight 16,16"))).toBe(true);
  });

  test("is saved by saveModel and loaded again bit for bit", async () => {
    const { network } = await compress(new WideResNet(options, { random: new Random(3) }), parseConvolution(text));
    const { network: again } = decodeModel(await encodeModel(network));
    const x = normal([2, 3, 8, 8], new Random(7));
    expect(await again.forward(x, { training: false }).data()).toEqual(await network.forward(x, { training: false }).data());
    expect([...again.parameters().keys()]).toEqual([...network.parameters().keys()]);
  });

  test("refuses texts of parts that are none", () => {
    for (const wrong of ["Generic_0.25x0", "Genericx2", "Generic_0.25,", "Generic_0.25,Nope", "x2", "Generic_0.25x2x2,Sep,"])
      expect(() => parseConvolution(wrong)).toThrow("convolution:");
  });
});
