/** Thousands of training steps do not leak memory: as much is held after step 3000 as after step 100. */

import { afterEach, expect, test } from "vitest";
import { memory, useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Flatten, GELU, MaxPool2d, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { uniform } from "../../src/ops/creation.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { Sep } from "../../src/structured/create-convolution.ts";
import { scope } from "../../src/tensor/scope.ts";
import { Adam } from "../../src/train/adam.ts";
import { Sgd } from "../../src/train/sgd.ts";

const backends: [string, () => Kernels | Promise<Kernels>][] = [
  ["reference", createReferenceBackend],
  ["wasm, one thread", () => createWasmBackend({ threads: 1 })],
];

let backend: Kernels | undefined;
afterEach(() => {
  useBackend(undefined);
  (backend as { dispose?: () => void } | undefined)?.dispose?.();
});

test.each(backends)("on %s", async (_, make) => {
  backend = await make();
  useBackend(backend);
  const random = new Random(1);
  const build = { random };
  const model = new Sequential(
    Sep({ inChannels: 2, outChannels: 2, kernel: 3 }, build),
    new BatchNorm2d(2, build),
    ReLU(),
    MaxPool2d({ kernel: 2 }),
    Flatten(),
    new Linear(8, 3, build),
    GELU(),
  );
  const groups = [{ parameters: model.parameters(), weightDecay: 1e-4 }];
  const optimizers = [new Sgd(groups, { momentum: 0.9, nesterov: true }), new Adam(groups)];
  const step = (i: number): void =>
    scope(() => {
      const optimizer = optimizers[i % 2]!;
      const x = uniform([2, 2, 4, 4], random);
      const context = { training: true, random };
      const loss = crossEntropy(dropout(model.forward(x, context), 0.1, context), [i % 3, 2], { labelSmoothing: 0.1 });
      optimizer.step(
        gradients(
          loss,
          optimizer.parameters.map(({ value }) => value),
        ),
        1e-3,
      );
    });
  let held: unknown;
  for (let i = 1; i <= 3000; i++) {
    step(i);
    if (i === 100) held = memory();
  }
  expect(memory()).toEqual(held);
  for (const parameter of model.parameters().values()) expect((await parameter.read()).every(Number.isFinite)).toBe(true);
});
