/** Compressing a whole network: what is replaced, what stays bit for bit, and what is reported. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { compress } from "../../src/compress/compress.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import type { Module } from "../../src/nn/module.ts";
import { normal } from "../../src/ops/creation.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { ConvolutionSpec } from "../../src/structured/spec.ts";
import { withoutApproximation } from "./without-approximation.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

const options = { depth: 10, width: 1, classes: 7 };

/** A network whose every number, running statistics included, has moved away from where it began. */
async function trained(): Promise<WideResNet> {
  const network = new WideResNet(options, { random: new Random(3) });
  const random = new Random(4);
  for (const entry of network.state().values()) {
    const values = await entry.read();
    entry.write(entry.dtype === "int32" ? [17] : values.map((value) => value + 0.1 * Math.abs(random.normal())));
  }
  return network;
}

async function snapshot(network: Module): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const [name, entry] of network.state()) found.set(name, Array.from(await entry.read()));
  return found;
}

const convolutions = ["block1", "block2", "block3"].flatMap((block) => [`${block}.0.layer.0.conv1`, `${block}.0.layer.0.conv2`]);

describe("compress", () => {
  test.each<ConvolutionSpec>([
    { kind: "TensorTrain", scale: 0.5 },
    { kind: "Generic", scale: 0.25 },
    { kind: "Hashed", fraction: 0.2 },
  ])("by $kind replaces the convolutions and copies the rest bit for bit", async (spec) => {
    const dense = await trained();
    const before = await snapshot(dense);
    const { network, layers, ...totals } = await compress(dense, spec);
    expect(await snapshot(dense)).toEqual(before);
    const after = await snapshot(network);
    const isReplaced = (name: string): boolean => convolutions.some((layer) => name.startsWith(`${layer}.`));
    const rest = (values: Map<string, number[]>): [string, number[]][] => [...values].filter(([name]) => !isReplaced(name));
    expect(rest(after)).toEqual(rest(before));
    expect([...after.keys()]).toEqual([
      ...new WideResNet({ ...options, convolution: convolutionFactory(spec) }, { random: new Random(0) }).state().keys(),
    ]);

    expect(layers.map(({ name }) => name)).toEqual(convolutions);
    expect(totals.parametersBefore).toBe(dense.parameterCount());
    expect(totals.parametersAfter).toBe(network.parameterCount());
    const saved = layers.reduce((sum, layer) => sum + layer.parametersBefore - layer.parametersAfter, 0);
    expect(totals.parametersBefore - totals.parametersAfter).toBe(saved);
    const sizes = convolutions.map((name) => before.get(`${name}.conv.weight`)!.reduce((sum, value) => sum + value ** 2, 0));
    const lost = layers.reduce((sum, { relativeError }, at) => sum + relativeError ** 2 * sizes[at]!, 0);
    expect(totals.relativeError).toBeCloseTo(Math.sqrt(lost / sizes.reduce((a, b) => a + b, 0)), 10);
  });

  test("by Conv is a copy", async () => {
    const dense = await trained();
    const { network, relativeError } = await compress(dense, { kind: "Conv" });
    expect(await snapshot(network)).toEqual(await snapshot(dense));
    expect(relativeError).toBe(0);
  });

  test("of convolutions that are separable already keeps what the network computes", async () => {
    const separable = new WideResNet({ ...options, convolution: convolutionFactory({ kind: "Sep" }) }, { random: new Random(5) });
    const dense = new WideResNet(options, { random: new Random(6) });
    // The dense network of the separable one's kernels: K[o,i,u,v] = W[o,i]·w[i,u,v].
    const state = await snapshot(separable);
    for (const [name, entry] of dense.state()) {
      const layer = name.replace(/\.conv\.weight$/, "");
      if (layer === name) entry.write(state.get(name)!);
      else {
        const [outputs, inputs] = entry.shape as [number, number];
        const [w, d] = [state.get(`${layer}.pointwise.weight`)!, state.get(`${layer}.grouped.weight`)!];
        entry.write(
          Float64Array.from(
            { length: outputs * inputs * 9 },
            (_, at) => w[Math.floor(at / 9)]! * d[(Math.floor(at / 9) % inputs) * 9 + (at % 9)]!,
          ),
        );
      }
    }
    const { network, relativeError } = await compress(dense, { kind: "Sep" });
    expect(relativeError).toBeLessThan(1e-6);
    const x = normal([2, 3, 8, 8], new Random(7));
    const [got, expected] = [await network.forward(x, { training: false }).data(), await separable.forward(x, { training: false }).data()];
    const scale = Math.max(...expected.map(Math.abs));
    for (const [at, value] of expected.entries()) expect(Math.abs(got[at]! - value)).toBeLessThan(1e-4 * scale);
  });

  test("is decided by its seed", async () => {
    const dense = await trained();
    const spec = { kind: "SepHashed", fraction: 0.3 } as const;
    const [one, again, other] = [
      await compress(dense, spec),
      await compress(dense, spec),
      await compress(dense, spec, { build: { random: new Random(1) } }),
    ];
    expect(await snapshot(again.network)).toEqual(await snapshot(one.network));
    expect(await snapshot(other.network)).not.toEqual(await snapshot(one.network));
  });

  test("refuses a network that is not dense, and families without an approximation", async () => {
    const separable = new WideResNet({ ...options, convolution: convolutionFactory({ kind: "Sep" }) }, { random: new Random(5) });
    await expect(compress(separable, { kind: "Sep" })).rejects.toThrow(ConfigError);
    await expect(compress(separable, { kind: "Sep" })).rejects.toThrow("must be made of dense convolutions (Conv), got none");
    await expect(compress(await trained(), withoutApproximation)).rejects.toThrow("Gain: no best approximation");
  });
});
