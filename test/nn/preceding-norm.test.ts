/** A norm and a ReLU that the separable convolution behind them computes, against the same layers one by one. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { initBackend } from "../../src/backend/active.ts";
import type { Context } from "../../src/core/context.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Residual, Sequential } from "../../src/nn/combinators.ts";
import { freeze } from "../../src/nn/freeze.ts";
import { ReLU, ReLU6 } from "../../src/nn/layers.ts";
import type { Layer } from "../../src/nn/module.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { Mode } from "../../src/structured/structured-linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { calledKernels } from "../support/called-kernels.ts";
import { expectTensor, toArray } from "../support/nd-array.ts";
import { sampleTensor } from "../support/sample.ts";

const training: Context = { training: true, random: new Random(1) };
const channels = 4;

interface Network {
  readonly norm: BatchNorm2d;
  readonly convolution: Layer;
  readonly f: Sequential;
}

/** Norm, activation and convolution. Two calls give equal networks. */
function network(text: string, activation: Layer, { stride = 1, bias = false, mode = "auto" as Mode } = {}): Network {
  const build = { random: new Random(3), dtype: "float64" } as const;
  const norm = new BatchNorm2d(channels, build);
  const convolution = convolutionFactory(parseConvolution(text), { mode })(
    { inChannels: channels, outChannels: channels, kernel: 3, stride, bias },
    build,
  );
  norm.weight.write([1, 0.5, -1, 0]);
  norm.bias.write([0.1, -0.2, 0.3, 0.4]);
  return { norm, convolution, f: new Sequential(norm, activation, convolution) };
}

/** The layers one by one, so that nothing is fused. */
const oneByOne = ({ f }: Network, x: Tensor, context: Context): Tensor => f.outputs(x, context).at(-1)!;

beforeAll(() => initBackend(["reference"]));
afterAll(() => initBackend(["reference"]));

describe.each([
  ["ReLU", ReLU()],
  ["ReLU6", ReLU6()],
] as const)("norm, %s and a separable convolution", (_, activation) => {
  test.each([
    ["Sep", {}],
    ["Sep", { bias: true }],
    ["Sep", { stride: 2 }],
    ["LR_0.5", {}],
    ["LR_0.5", { mode: "factorized" }],
    ["Monarch_2", { mode: "factorized", bias: true }],
  ] as const)("%s %o: the value, the gradients and the running statistics of the layers one by one", async (text, options) => {
    const [fused, plain] = [network(text, activation, options), network(text, activation, options)];
    const [x, g] = [
      sampleTensor([3, channels, 6, 8], 5),
      sampleTensor(plain.f.forward(sampleTensor([3, channels, 6, 8], 5), { training: false }).shape, 6),
    ];
    const parts = [
      { of: fused, y: fused.f.forward(x, training) },
      { of: plain, y: oneByOne(plain, x, training) },
    ].map(({ of, y }) => ({
      y,
      gradients: gradients(sum(multiply(y, g)), [x, ...[...of.f.parameters().values()].map(({ value }) => value)]),
      norm: of.norm,
    }));
    const [got, expected] = parts as [(typeof parts)[0], (typeof parts)[0]];
    await expectTensor(got.y, await toArray(expected.y), 1e-12);
    expect(got.gradients.length).toBeGreaterThan(4);
    for (const [i, gradient] of got.gradients.entries()) await expectTensor(gradient, await toArray(expected.gradients[i]!), 1e-11);
    for (const name of ["running_mean", "running_var"] as const)
      await expectTensor(got.norm[name].value, await toArray(expected.norm[name].value), 1e-12);
    expect(got.norm.num_batches_tracked.count).toBe(1);
  });

  test.each([
    ["Sep", "auto", "normSeparableConv2d"],
    ["Generic_0.5", "factorized", "normContractWindow"],
  ] as const)("with a shortcut %s in mode %s adds it, in one call of %s", async (text, mode, kernel) => {
    const [fused, plain, again] = [1, 2, 3].map(() => network(text, activation, { mode })) as [Network, Network, Network];
    const x = sampleTensor([3, channels, 6, 8], 5);
    const called = calledKernels(() => void new Residual(fused.f).forward(x, training));
    expect(called.filter((name) => name === kernel)).toHaveLength(1);
    expect(called).not.toContain("batchNorm");
    await expectTensor(new Residual(again.f).forward(x, training), await toArray(add(oneByOne(plain, x, training), x)), 1e-12);
  });
});

describe("the layers are computed one by one", () => {
  const x = (): Tensor => sampleTensor([3, channels, 6, 8], 5);
  const fuses = ({ f }: Network, context: Context): boolean =>
    calledKernels(() => void f.forward(x(), context)).includes("normSeparableConv2d");

  test("but not in training", () => expect(fuses(network("Sep", ReLU()), training)).toBe(true));
  test("in evaluation", () => expect(fuses(network("Sep", ReLU()), { training: false })).toBe(false));
  test("where the window has a stride", () => expect(fuses(network("Sep", ReLU(), { stride: 2 }), training)).toBe(false));
  test("where the norm is frozen", () => {
    const net = network("Sep", ReLU());
    freeze(net.norm);
    expect(fuses(net, training)).toBe(false);
  });
  test.each(["norm", "convolution"] as const)("where the forward of the %s was replaced, which is then called", (part) => {
    const net = network("Sep", ReLU());
    let calls = 0;
    const forward = net[part].forward.bind(net[part]);
    net[part].forward = (input: Tensor, context: Context) => {
      calls++;
      return forward(input, context);
    };
    expect(fuses(net, training)).toBe(false);
    expect(calls).toBe(1);
  });
});
