/** Changing the family of a network that may be structured already. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { substitute } from "../../src/compress/substitute.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { normal } from "../../src/ops/creation.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { StructuredConvolution } from "../../src/structured/structured-convolution.ts";
import { noGrad } from "../../src/tape/tape.ts";
import { withoutApproximation } from "./without-approximation.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

/** A float64 network whose running statistics are no identity. */
async function networkOf(conv: string): Promise<WideResNet> {
  const convolution = convolutionFactory(parseConvolution(conv));
  const network = new WideResNet({ depth: 10, width: 1, convolution }, { random: new Random(3), dtype: "float64" });
  const random = new Random(4);
  const moved = [...network.state()].filter(([name]) => network.parameters().has(name) || name.includes("running"));
  for (const [, entry] of moved) entry.write((await entry.read()).map((value) => value + 0.05 * Math.abs(random.normal())));
  // The biases of convolutions are lost, so they are 0 here.
  for (const module of network.modules())
    if (module instanceof StructuredConvolution) module.bias?.write(new Float64Array(module.bias.value.size));
  return network;
}

const logits = async (network: WideResNet): Promise<number[]> => {
  const x = normal([2, 3, 8, 8], new Random(5), { dtype: "float64" });
  return Array.from(await noGrad(() => network.forward(x, { training: false })).data());
};

describe("substitute", () => {
  // A separable kernel is a dense one, and a map is a matrix: nothing is lost on these ways.
  test.each([
    ["Conv", "Conv"],
    ["Sep", "Conv"],
    ["TensorTrain_0.5", "Conv"],
    ["Monarch_4", "Sep"],
    ["Hashed_0.2", "Conv"],
  ])("from %s to %s gives a network that computes the same", async (from, to) => {
    const network = await networkOf(from);
    const before = await logits(network);
    const {
      network: changed,
      relativeError,
      parametersBefore,
    } = await substitute(network, parseConvolution(to), {
      build: { random: new Random(0), dtype: "float64" },
    });
    const after = await logits(changed);
    const scale = Math.max(...before.map(Math.abs));
    // Float64, through ten layers and a decomposition of each kernel.
    for (const [i, value] of after.entries()) expect(Math.abs(value - before[i]!)).toBeLessThan(1e-10 * scale);
    expect(relativeError).toBeLessThan(1e-12);
    expect(parametersBefore).toBe(network.parameterCount());
    expect(await logits(network)).toEqual(before);
  });

  test("to a smaller family loses something, and says how much", async () => {
    const network = await networkOf("Sep");
    const { relativeError } = await substitute(network, parseConvolution("TensorTrain_0.2"), {
      build: { random: new Random(0), dtype: "float64" },
    });
    expect(relativeError).toBeGreaterThan(0.05);
    expect(relativeError).toBeLessThan(1);
  });

  test("to a family without an approximation is refused", async () => {
    await expect(substitute(await networkOf("Sep"), withoutApproximation)).rejects.toThrow(ConfigError);
  });
});
