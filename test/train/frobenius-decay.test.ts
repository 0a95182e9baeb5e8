/** Frobenius decay against its definition, and CRS decay against the paper's rule. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "../../src/core/random.ts";
import { compressionRatio } from "../../src/experiment/compression-ratio.ts";
import { createNetwork } from "../../src/experiment/network-spec.ts";
import { presets } from "../../src/experiment/presets.ts";
import { structuredDecay } from "../../src/experiment/recipe.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { convolutionFactory, Sep } from "../../src/structured/create-convolution.ts";
import type { SeparableConvolution } from "../../src/structured/separable.ts";
import { frobeniusPenalty } from "../../src/train/frobenius-decay.ts";
import { structuredConfigurations } from "../arbitraries/structured.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

describe("frobeniusPenalty", () => {
  test("is ½·λ·‖E·C‖², with the gradient λ·W·Cᵀ on E", async () => {
    await fc.assert(
      fc.asyncProperty(structuredConfigurations("Generic"), fc.double({ min: 0.001, max: 2, noNaN: true }), async (c, lambda) => {
        const site = { inChannels: c.inFeatures, outChannels: c.outFeatures, kernel: 1 };
        const layer = convolutionFactory(c.spec)(site, { random: new Random(c.seed), dtype: "float64" }) as SeparableConvolution;
        const expand = layer.parameters().get("lowrank_expand.weight")!;
        const contract = layer.parameters().get("lowrank_contract.weight")!;
        const [e, k] = [await expand.read(), await contract.read()];
        const rank = contract.shape[0]!;
        const entry = (o: number, i: number): number =>
          Array.from({ length: rank }, (_, r) => e[o * rank + r]! * k[r * c.inFeatures + i]!).reduce((a, b) => a + b, 0);
        const w = Array.from({ length: c.outFeatures }, (_, o) => Array.from({ length: c.inFeatures }, (_, i) => entry(o, i)));
        const squares = w.flat().reduce((sum, value) => sum + value ** 2, 0);
        const penalty = frobeniusPenalty(layer, lambda)!;
        expect(Math.abs((await penalty.item()) - (lambda / 2) * squares)).toBeLessThanOrEqual(1e-12 * lambda * squares);
        const [gradient] = gradients(penalty, [expand.value]);
        const got = await gradient!.data();
        for (let o = 0; o < c.outFeatures; o++)
          for (let r = 0; r < rank; r++) {
            const truth = lambda * w[o]!.reduce((sum, value, i) => sum + value * k[r * c.inFeatures + i]!, 0);
            expect(Math.abs(got[o * rank + r]! - truth)).toBeLessThanOrEqual(1e-10 * lambda * Math.max(1, squares));
          }
      }),
      { numRuns: 40 },
    );
  });

  test("counts every structured map of a model once, and no dense one", async () => {
    const build = { random: new Random(3), dtype: "float64" as const };
    const site = { inChannels: 16, outChannels: 16, kernel: 3 };
    const parts = (["TensorTrain", "Tucker"] as const).map((kind) => convolutionFactory({ kind, scale: 0.5 })(site, build));
    const others = [
      convolutionFactory({ kind: "Shuffle", groups: 4 })(site, build),
      convolutionFactory({ kind: "Hashed", fraction: 0.1 })(site, build),
    ];
    const each = [...parts, ...others].map((layer) => frobeniusPenalty(layer, 1)!);
    const sum = (await Promise.all(each.map((t) => t.item()))).reduce((a, b) => a + b, 0);
    const whole = frobeniusPenalty(new Sequential(...parts, Sep(site, build), ...others), 1)!;
    expect(Math.abs((await whole.item()) - sum)).toBeLessThanOrEqual(1e-12 * sum);
    expect(frobeniusPenalty(Sep(site, build), 1)).toBeUndefined();
  });
});

describe("CRS decay", () => {
  test("is the weight decay times the share of parameters kept, unless switched off", () => {
    const network = { kind: "wrn", depth: 10, width: 1, dropout: 0, convolution: { kind: "Shuffle", groups: 4 } } as const;
    const model = createNetwork(network, 10, { random: new Random(0) });
    // The paper's code counts 5,810 parameters of 77,850 (test/fixtures/counts.json).
    const ratio = compressionRatio(network, 10, model);
    expect(ratio).toBe(5810 / 77850);
    expect(structuredDecay({ ...presets.quick, weightDecay: 0.5 }, () => ratio)).toBe(0.5 * ratio);
    expect(structuredDecay({ ...presets.quick, weightDecay: 0.5, crs: false }, () => ratio)).toBe(0.5);
  });
});
