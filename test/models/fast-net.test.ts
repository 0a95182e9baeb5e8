/** The network `fast`: its sizes, its composition from single ops, its frozen parts, and its structured forms. */

import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { countNetwork } from "../../src/count/count-network.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { FastNet } from "../../src/models/fast-net.ts";
import { foldBatchNorm } from "../../src/nn/fold-batch-norm.ts";
import type { Build } from "../../src/nn/init.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { Buffer } from "../../src/nn/state.ts";
import { conv2d } from "../../src/ops/convolution.ts";
import { normal } from "../../src/ops/creation.ts";
import { add, gelu, multiply } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { maxPool2d } from "../../src/ops/pooling.ts";
import { reshape } from "../../src/ops/reshape.ts";
import { Sep } from "../../src/structured/create-convolution.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { decodeModel, encodeModel } from "../../src/train/model-file.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): Build => ({ random: new Random(1), dtype: "float64" });
const images = (size = 32, count = 2): Tensor => normal([count, 3, size, size], new Random(2), { dtype: "float64" });
const small = (): FastNet => new FastNet({ widths: [4, 5, 6], classes: 3 }, build());

test("has the multiply-adds that are published for airbench94 and airbench93, to the digits known", () => {
  const count = (widths: number[]) => countNetwork((random) => new FastNet({ widths }, random), [3, 32, 32]);
  // The published networks have 118 and 54 million multiply-adds.
  expect(Math.round(count([64, 256, 256]).paperMultAdds / 1e6)).toBe(118);
  expect(Math.round(count([64, 128, 128]).paperMultAdds / 1e6)).toBe(54);
  const convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256);
  // The whitening layer has 24 filters of 12 numbers and a bias, each norm a shift, and the classifier no bias.
  expect(count([64, 256, 256]).params).toBe(convolutions + 24 * 13 + 2 * (64 + 256 + 256) + 2560);
});

test("computes the layers of the paper in their order", async () => {
  const network = small();
  const state = network.state();
  for (const name of [...state.keys()].filter((each) => /running_var$/.test(each)))
    state.get(name)!.write(new Array(state.get(name)!.shape[0]).fill(2));
  for (const name of [...state.keys()].filter((each) => /norm\d\.bias$/.test(each)))
    state.get(name)!.write(new Array(state.get(name)!.shape[0]).fill(0.1));
  const value = (name: string): Tensor => (state.get(name) as { value: Tensor }).value;
  const bias = (name: string): Tensor => reshape(value(name), [1, value(name).size, 1, 1]);
  const norm = (x: Tensor): Tensor => add(multiply(x, 1 / Math.sqrt(2)), 0.1);
  const x = images();
  let y = gelu(add(conv2d(x, value("whitening.weight")), bias("whitening.bias")));
  for (const group of ["group1", "group2", "group3"]) {
    y = gelu(norm(maxPool2d(conv2d(y, value(`${group}.conv1.weight`), { padding: 1 }), { kernel: 2 })));
    y = gelu(norm(conv2d(y, value(`${group}.conv2.weight`), { padding: 1 })));
  }
  const pooled = reshape(maxPool2d(y, { kernel: 3 }), [2, 6]);
  const logits = multiply(matmul(pooled, value("fc.weight"), { transposeB: true }), 1 / 9);
  expectValues(await network.forward(x, { training: false }).data(), await logits.data(), 1e-11);
  expectValues(await foldBatchNorm(network).forward(x, { training: false }).data(), await logits.data(), 1e-11);
});

test("whitening sets the filters, which get no gradient, and every parameter that trains gets one", async () => {
  const network = small();
  const before = [...(await network.whitening.weight.read())];
  const patches = images(8, 3);
  network.whiten(await patches.data(), patches.shape);
  expect([...(await network.whitening.weight.read())]).not.toEqual(before);
  expect([...(await network.whitening.bias!.read())].every((value) => value === 0)).toBe(true);
  const parameters = [...network.parameters()].filter(([, { trainable }]) => trainable);
  expect([...network.parameters()].filter(([, { trainable }]) => !trainable).map(([name]) => name)).toEqual(["whitening.weight"]);
  const loss = crossEntropy(network.forward(images(), { training: true }), [0, 2]);
  const grads = gradients(
    loss,
    parameters.map(([, { value }]) => value),
  );
  for (const [i, [name]] of parameters.entries())
    expect([name, (await grads[i]!.data()).some((value) => value !== 0)]).toEqual([name, true]);
});

test("convolutions begin as the identity on their first channels", async () => {
  const kernel = (await small().state().get("group1.conv1.weight")!.read()) as Float64Array;
  // [4,24,3,3]: all four output channels copy an input channel.
  for (const [i, value] of kernel.entries()) {
    const [o, c, at] = [Math.floor(i / (24 * 9)), Math.floor(i / 9) % 24, i % 9];
    expect(value).toBe(o === c && at === 4 ? 1 : 0);
  }
  const wider = (await small().state().get("group2.conv1.weight")!.read()) as Float64Array;
  // [5,4,3,3]: the fifth output channel is drawn.
  expect([...wider.slice(4 * 36)].every((value) => value !== 0 && Math.abs(value) <= 1 / 6)).toBe(true);
});

test("norms have no scale to train, but their state has PyTorch's names", () => {
  const { norm1 } = small().group1;
  expect(norm1.weight).toBeInstanceOf(Buffer);
  expect([...norm1.parameters().keys()]).toEqual(["bias"]);
  expect([...norm1.state().keys()]).toEqual(["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
});

describe("takes", () => {
  test("other convolutions, and images of other sizes", () => {
    const network = new FastNet({ widths: [4, 4, 4], classes: 3, convolution: Sep }, build());
    for (const size of [17, 32, 50]) expect(network.forward(images(size), { training: false }).shape).toEqual([2, 3]);
    expect(network.withConvolution(Sep, { random: new Random(0) }).options.widths).toEqual([4, 4, 4]);
  }, 60_000);

  test("a file and back", async () => {
    const network = small();
    const x = images();
    const logits = network.forward(x, { training: false });
    const { network: read } = await decodeModel(await encodeModel(network), "file");
    expect([...(await read.forward(x, { training: false }).data())]).toEqual([...(await logits.data())]);
  });
});

test.each([[[1, 2]], [[0, 1, 1]], [[1, 1, 2049]], [[1, 1.5, 1]], [64]])("refuses the widths %j", (widths) =>
  expect(() => new FastNet({ widths: widths as number[] }, build())).toThrow(ConfigError),
);
