/** An error of shapes within combined layers names the layer by the path that its parameters have. */

import { expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Concat, Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Lambda, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import type { Layer } from "../../src/nn/module.ts";
import { zeros } from "../../src/ops/creation.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = { random: new Random(0) };
const conv = (inChannels: number, outChannels: number): Layer => new Conv2d(inChannels, outChannels, 3, build, { padding: 1 });
const sep = (inChannels: number, outChannels: number): Layer =>
  convolutionFactory({ kind: "Sep" })({ inChannels, outChannels, kernel: 3 }, build);
const norm = (channels: number): Layer => new BatchNorm2d(channels, build);

function thrownBy(layer: Layer, shape: readonly number[]): Error {
  try {
    layer.forward(zeros(shape), { training: true, random: new Random(0) });
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

const image = [2, 3, 4, 4];

test.each<readonly [string, () => Layer, readonly number[], RegExp]>([
  ["a layer", () => new Sequential(ReLU(), new Linear(4, 2, build)), [1, 5], /; at layer 1, Linear\(4, 2\)$/],
  ["a layer in the middle", () => new Sequential(conv(3, 4), conv(5, 4), ReLU()), image, /; at layer 1, Conv2d\(5, 4, /],
  ["a norm before an activation", () => new Sequential(norm(4), ReLU(), conv(3, 4)), image, /; at layer 0, BatchNorm2d\(4\)$/],
  [
    "a convolution that takes the norm",
    () => new Sequential(norm(3), ReLU(), sep(4, 4)),
    image,
    /; at layer 2, SeparableConvolution\(4, 4\)$/,
  ],
  ["nested layers", () => new Sequential(conv(3, 4), new Sequential(ReLU(), conv(3, 4))), image, /; at layer 1\.1, Conv2d\(3, 4, /],
  ["a residual block", () => new Residual(new Sequential(conv(3, 4), conv(3, 3))), image, /; at layer f\.1, Conv2d\(3, 3, /],
  ["a shortcut", () => new Residual(conv(3, 4), conv(4, 4)), image, /; at layer shortcut, Conv2d\(4, 4, /],
  [
    "a branch",
    () => new Concat({ channels: 3, layer: conv(3, 3) }, { channels: 3, layer: conv(2, 3) }),
    image,
    /; at layer branches\.1, Conv2d\(2, 3, /,
  ],
])("%s", (_, layer, shape, end) => {
  const error = thrownBy(layer(), shape);
  expect(error).toBeInstanceOf(ShapeError);
  expect(error.message).toMatch(end);
  expect(error.message.match(/at layer/g)).toHaveLength(1);
  expect(error.cause).toBeInstanceOf(ShapeError);
});

test("outputs names it too", () => {
  const layers = new Sequential(ReLU(), new Linear(4, 2, build));
  expect(() => layers.outputs(zeros([1, 5]), { training: false })).toThrow(/; at layer 1, Linear\(4, 2\)$/);
});

test("any other error passes as it is", () => {
  const thrown = new ConfigError("no");
  const layers = new Sequential(
    new Lambda(() => {
      throw thrown;
    }),
  );
  expect(thrownBy(layers, [1])).toBe(thrown);
});
