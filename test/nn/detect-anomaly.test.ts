/** The search for the first number that is not finite: it names the op, the layer and the element, and changes nothing. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, useBackend } from "../../src/backend/active.ts";
import { createShapeOnlyBackend } from "../../src/backend/shape-only.ts";
import { BackendError, ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { AnomalyError, detectAnomaly } from "../../src/nn/detect-anomaly.ts";
import { GELU, ReLU } from "../../src/nn/layers.ts";
import { Layer } from "../../src/nn/module.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { add, multiply, sqrt } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import { stateOf, tinyConfig, tinyTraining } from "../train/tiny-training.ts";

/** y = √x: its slope at 0 is ∞. */
class Root extends Layer {
  forward(x: Tensor): Tensor {
    return sqrt(x);
  }
}

const context = { training: true, random: new Random(0) };
const channels = 3;

const network = (): Sequential => {
  const build = { random: new Random(1) };
  return new Sequential(
    new Conv2d(channels, channels, 1, build),
    GELU(),
    new Residual(new Conv2d(channels, channels, 1, build)),
    new Conv2d(channels, channels, 1, build),
  );
};

function anomalyOf(body: () => unknown, model?: Sequential): AnomalyError {
  try {
    detectAnomaly(body, { model });
  } catch (error) {
    if (error instanceof AnomalyError) return error;
    throw error;
  }
  throw new Error("no anomaly was found");
}

describe.each(["reference", "wasm"] as const)("detectAnomaly on %s", (backend) => {
  beforeAll(async () => {
    await initBackend([backend], { threads: 1 });
  });
  afterAll(disposeBackend);

  const input = (): Tensor =>
    tensor(
      Float32Array.from({ length: channels * 4 }, (_, i) => 1 + i),
      { shape: [1, channels, 2, 2] },
    );

  test("names the op, the layer and the first element of a forward pass", () => {
    const places = [
      ["0", "0.weight"],
      ["2.f", "2.f.weight"],
      ["3", "3.weight"],
    ] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.nat(channels * channels - 1),
        fc.constantFrom(Number.NaN, Infinity, -Infinity),
        ([layer, parameter], at, element) => {
          const model = network();
          const { value } = model.parameters().get(parameter)!;
          value.storage.view![at] = element;
          const error = anomalyOf(() => model.forward(input(), context), model);
          // Row o of the weight makes channel o of the output, and each pixel is above 0.
          expect(error.anomaly).toMatchObject({ pass: "forward", op: "conv2d", layer, index: [0, Math.floor(at / channels), 0, 0] });
          expect(Number.isFinite(error.anomaly.element)).toBe(false);
          const position = `[${Math.floor(at / channels)}, ${at % channels}, 0, 0]`;
          expect(error.message).toContain(`input 1 (the parameter ${parameter}) is ${element} at ${position}`);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("names the op, the layer and the first element of a backward pass whose forward pass is finite", () => {
    const model = new Sequential(ReLU(), new Root());
    const x = tensor([
      [4, 1],
      [-1, 9],
    ]);
    const loss = (): Tensor => sum(model.forward(x, context));
    expect(() => detectAnomaly(loss, { model })).not.toThrow();
    const error = anomalyOf(() => gradients(loss(), [x]), model);
    expect(error.anomaly).toEqual({ pass: "backward", op: "sqrt", layer: "1", index: [1, 0], element: Infinity });
    expect(error.message).toBe(
      "detect-anomaly: sqrt in 1: the gradient with respect to input 0 (the value of relu in 0) must be finite, " +
        "got Infinity at [1, 0] of [2,2] in the backward pass; the input is 0 there",
    );
  });

  test("finds a sum of finite gradients that overflows", () => {
    const x = zeros([2]);
    const slope = tensor([1, 3e38]);
    const error = anomalyOf(() => gradients(sum(add(multiply(x, slope), multiply(x, slope))), [x]));
    expect(error.anomaly).toMatchObject({ pass: "backward", layer: undefined, index: [1], element: Infinity });
    expect(error.message).toContain("the sum of the gradients");
  });

  test("changes no number, and leaves the model as it was", async () => {
    const [plain, searching] = [tinyTraining(tinyConfig), tinyTraining(tinyConfig)];
    searching.trainer.detectAnomaly = true;
    for (const { trainer, options } of [plain, searching]) await trainEpochs(trainer, options);
    expect(await stateOf(searching.trainer)).toEqual(await stateOf(plain.trainer));
    for (const module of searching.trainer.model.modules()) expect(Object.getOwnPropertyNames(module)).not.toContain("forward");
  });

  test("in a training step names the step, and the image that is not finite", async () => {
    const { trainer, options } = tinyTraining(tinyConfig);
    trainer.detectAnomaly = true;
    const [batch] = [...(options.trainBatches(0, 0) as Iterable<Parameters<typeof trainer.step>[0]>)];
    batch!.images[3 * 8 * 8 * 2 + 5] = Number.NaN;
    const failing = trainer.step(batch!);
    await expect(failing).rejects.toThrow(AnomalyError);
    await expect(failing).rejects.toThrow(/conv2d in conv: .*input 0 \(data \[4,3,8,8\]\) is NaN at \[2, 0, 0, 5\].* step 1 of epoch 1/);
  });
});

test("a body that is asynchronous is refused, and a backend without readable numbers too", () => {
  useBackend(createShapeOnlyBackend());
  expect(() => detectAnomaly(async () => undefined)).toThrow(ConfigError);
  expect(() => detectAnomaly(() => sqrt(zeros([2])))).toThrow(BackendError);
  useBackend(undefined);
});

test("nothing is looked for outside of the body", async () => {
  await initBackend(["reference"]);
  const x = zeros([1]);
  detectAnomaly(() => sqrt(x));
  expect(await gradients(sum(sqrt(x)), [x])[0]!.item()).toBe(Infinity);
  disposeBackend();
});
