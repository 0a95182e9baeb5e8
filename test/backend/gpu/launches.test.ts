/**
 * The launches of a training step of WRN-10-1, for every family and any batch. They are counted on WebGPU's device with
 * kernels that compute nothing, so a step takes milliseconds. docs/gpu.md has the numbers. FIGURES=1 prints them.
 */

import { afterAll, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../../src/backend/active.ts";
import { deviceKernels } from "../../../src/backend/gpu/gpu-backend.ts";
import { Random } from "../../../src/core/random.ts";
import { createNetwork } from "../../../src/experiment/network-spec.ts";
import { gradients } from "../../../src/grad/gradients.ts";
import { crossEntropy } from "../../../src/nn/losses.ts";
import { zeros } from "../../../src/ops/creation.ts";
import { parseConvolution } from "../../../src/structured/convolution-text.ts";
import { families } from "../../../src/structured/families.ts";
import { scope } from "../../../src/tensor/scope.ts";
import { Adam } from "../../../src/train/adam.ts";
import type { Optimizer, ParameterGroup } from "../../../src/train/optimizer.ts";
import { decayGroups } from "../../../src/train/parameter-groups.ts";
import { Sgd } from "../../../src/train/sgd.ts";
import { RecordingDevice } from "../../bench/roofline/recording-device.ts";
import { launchBounds } from "./golden-training.ts";

let device: RecordingDevice;
beforeAll(() => {
  device = new RecordingDevice();
  const report = { memory: () => device.memory.report("none"), resetPeak: () => {} };
  useBackend({ ...deviceKernels(device), ...report, name: "none", threads: 1 });
});
afterAll(() => {
  useBackend(undefined);
  device?.close();
});

/** The launches of the third step: tables are uploaded in the first, and parameters brought together in the first and the second. */
function launchesOf(convolution: string, batch: number, optimizerOf = sgd): number {
  const spec = { kind: "wrn" as const, depth: 10, width: 1, convolution: parseConvolution(convolution) };
  const model = createNetwork(spec, 10, { random: new Random(0), dtype: "float32" }, { init: "variance-preserving" });
  const optimizer = optimizerOf(decayGroups(model, { full: 5e-4, compressed: 5e-4 }));
  let launches = 0;
  for (let step = 0; step < 3; step++) {
    const before = device.counters.launches;
    scope(() => {
      const images = zeros([batch, 3, 32, 32]);
      const loss = crossEntropy(model.forward(images, { training: true }), new Int32Array(batch));
      optimizer.step(gradients(loss, optimizer.values), 0.1);
    });
    launches = device.counters.launches - before;
  }
  model.dispose();
  optimizer.dispose();
  return launches;
}

const sgd = (groups: readonly ParameterGroup[]): Optimizer => new Sgd(groups, { momentum: 0.9 });

test.each(Object.entries(launchBounds))("a step with %s takes at most %i launches", (convolution, bound) => {
  const launches = [4, 32, 128].map((batch) => launchesOf(convolution, batch));
  if (process.env.FIGURES) console.info(convolution, launches);
  expect(Math.max(...launches)).toBeLessThanOrEqual(bound);
});

test("every family has a bound, and no bound is above 250", () => {
  const bounded = new Set(Object.keys(launchBounds).map((text) => parseConvolution(text).kind as string));
  expect(families.map(({ kind }) => kind as string).filter((kind) => !bounded.has(kind))).toEqual([]);
  expect(Math.max(...Object.values(launchBounds))).toBeLessThanOrEqual(250);
  expect(launchBounds.Conv).toBeLessThanOrEqual(120);
});

test("SGD and Adam update all parameters in a few launches", () => {
  const [withSgd, withAdam] = [sgd, (groups: readonly ParameterGroup[]) => new Adam(groups)].map((make) => launchesOf("Conv", 4, make));
  // 25 parameters: five in a launch of SGD, four in a launch of Adam.
  expect(withAdam! - withSgd!).toBe(2);
});
