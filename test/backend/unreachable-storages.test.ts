/** Programs that never free a tensor run in bounded memory: what they can no longer reach is freed before an allocation fails. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { kernels, memory, useBackend } from "../../src/backend/active.ts";
import { createWasmBackend, type WasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { BackendError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { foldBatchNorm } from "../../src/nn/fold-batch-norm.ts";
import { full, normal, tensor, zeros } from "../../src/ops/creation.ts";
import { add, multiply, relu } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { noGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Adam } from "../../src/train/adam.ts";
import { Sgd } from "../../src/train/sgd.ts";

const limit = 2 ** 25;
const quarterMebibyte = [256, 256];

describe("on an arena of 32 MiB", () => {
  let backend: WasmBackend;
  beforeEach(async () => {
    backend = await createWasmBackend({ threads: 1, maximumBytes: limit });
    useBackend(backend);
  });
  afterEach(() => {
    useBackend(undefined);
    backend.dispose();
  });

  test("a synchronous loop makes and drops 128 MiB", () => {
    for (let i = 0; i < 512; i++) relu(zeros(quarterMebibyte));
    expect(memory().used).toBeLessThanOrEqual(limit);
  });

  test("a value that a loop carries along stays right, and so does every operand of the call that runs out of memory", async () => {
    const kept = full(quarterMebibyte, 1);
    let x = zeros(quarterMebibyte);
    noGrad(() => {
      for (let i = 0; i < 512; i++) x = add(multiply(x, kept), kept);
    });
    expect(new Set(await x.data())).toEqual(new Set([512]));
  });

  test("kernels with scratch memory and several results are called again from the start", async () => {
    const [a, b] = [normal([192, 192], new Random(1)), normal([192, 192], new Random(2))];
    const first = await matmul(a, b).data();
    for (let i = 0; i < 400; i++) matmul(a, b);
    expect(await matmul(a, b).data()).toEqual(first);
  });

  test("the graph of a loss keeps what its gradients need", async () => {
    const x = full(quarterMebibyte, 2);
    const loss = sum(multiply(x, x));
    for (let i = 0; i < 256; i++) zeros(quarterMebibyte);
    const [gradient] = gradients(loss, [x]);
    expect(new Set(await gradient!.data())).toEqual(new Set([4]));
  });

  test("a hundred optimisers and a hundred folded networks are made and dropped", () => {
    const network = new WideResNet({ depth: 10, width: 1 }, { random: new Random(0) });
    for (let i = 0; i < 100; i++) {
      new Sgd([{ parameters: network.parameters() }], { momentum: 0.9 });
      new Adam([{ parameters: network.parameters() }]);
      foldBatchNorm(network);
    }
    expect(memory().used).toBeLessThanOrEqual(limit);
  });

  test("inference without scope awaits every result, for as long as one likes", async () => {
    const network = new WideResNet({ depth: 10, width: 1 }, { random: new Random(0) });
    const images = normal([2, 3, 32, 32], new Random(1));
    const first = await network.forward(images, { training: false }).data();
    for (let i = 0; i < 20; i++) expect(await network.forward(images, { training: false }).data()).toEqual(first);
  });

  test("tensors that are still reachable are not freed: then the arena is exhausted, and says so", () => {
    const held: Tensor[] = [];
    expect(() => {
      for (;;) held.push(zeros(quarterMebibyte));
    }).toThrow(BackendError);
    expect(held.length).toBeGreaterThan(110);
    expect(held.every(({ storage }) => storage.alive)).toBe(true);
  });

  test("memory() forgets what was dropped, once the engine has collected it", () => {
    const before = memory().storages;
    (() => {
      for (let i = 0; i < 50; i++) zeros([10]);
    })();
    expect(memory().storages).toBe(before + 50);
    expect(() => kernels().full("float32", 2 ** 25, 0)).toThrow(/exhausted/);
    expect(memory().storages).toBe(before);
  });
});

test("far below the limit, what was dropped does not pile up either: the arena collects when its use has doubled", async () => {
  const backend = await createWasmBackend({ threads: 1 });
  useBackend(backend);
  const kept = tensor([7]);
  for (let i = 0; i < 300; i++) zeros([1024, 1024]);
  expect(memory().reserved).toBeLessThan(400 * 2 ** 20);
  expect([...(await kept.data())]).toEqual([7]);
  useBackend(undefined);
  backend.dispose();
});
