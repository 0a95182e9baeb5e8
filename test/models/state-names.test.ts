/** WRN-50-2 and MobileNetV2 against the state dicts of torchvision 0.14 and of the paper's code: the same names, shapes and order. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createShapeOnlyBackend } from "../../src/backend/shape-only.ts";
import { Random } from "../../src/core/random.ts";
import { NoDraws } from "../../src/count/no-draws.ts";
import { withBackend } from "../../src/count/with-backend.ts";
import { MobileNetV2 } from "../../src/models/mobile-net-v2.ts";
import { ResNet } from "../../src/models/res-net.ts";
import type { Build } from "../../src/nn/init.ts";
import type { Module } from "../../src/nn/module.ts";
import { Sep } from "../../src/structured/create-convolution.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const recorded = (name: string): string[] =>
  readFileSync(new URL(`../fixtures/state-names/${name}.txt`, import.meta.url), "utf8")
    .trim()
    .split("\n");

const names = (create: (build: Build) => Module): string[] =>
  withBackend(createShapeOnlyBackend(), () =>
    [...create({ random: new NoDraws() }).state()].map(([name, { shape }]) => [name, ...shape].join(" ")),
  );

describe("names and shapes", () => {
  test.each<[string, (build: Build) => Module]>([
    ["torchvision-wide_resnet50_2", (build) => new ResNet({}, build)],
    ["torchvision-mobilenet_v2", (build) => new MobileNetV2({}, build)],
    ["paper-wrn-50-2-sep", (build) => new ResNet({ convolution: Sep }, build)],
    ["paper-mobilenet-v2-sep", (build) => new MobileNetV2({ convolution: Sep }, build)],
  ])("%s", (name, create) => expect(names(create)).toEqual(recorded(name)));
});

type Values = Map<string, { shape: readonly number[]; data: ArrayLike<number> }>;

async function valuesOf(network: Module, rename: (name: string) => string = (name) => name): Promise<Values> {
  const entries = [...network.state()].map(
    async ([name, state]) => [rename(name), { shape: state.shape, data: await state.read() }] as const,
  );
  return new Map(await Promise.all(entries));
}

/** Vitest compares large arrays slowly. */
const sameBytes = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => {
  const bytes = (array: ArrayLike<number>): Buffer => Buffer.from(Float64Array.from(array).buffer);
  return bytes(a).equals(bytes(b));
};

const build = (seed: number): Build => ({ random: new Random(seed) });
const small = { blocks: [1, 1, 1, 1], width: 1, classes: 3 } as const;

/** How earlier versions named the layers. */
const former: readonly (readonly [string, (seed: number) => Module, (name: string) => string])[] = [
  [
    "ResNet, dense",
    (seed) => new ResNet(small, build(seed)),
    (name) => name.replace(/(\.conv\d|downsample\.0)\.weight$/, "$1.conv.weight"),
  ],
  [
    "ResNet, structured",
    (seed) => new ResNet({ ...small, convolution: Sep }, build(seed)),
    (name) => name.replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1"),
  ],
  [
    "MobileNetV2, dense",
    (seed) => new MobileNetV2({ classes: 3 }, build(seed)),
    (name) =>
      name
        .replace(/^(features\.(?!1\.)\d+\.conv\.(0\.0|2)|features\.1\.conv\.1|features\.18\.0)\.weight$/, "$1.conv.weight")
        .replace(/^classifier\.1\./, "classifier.1.conv."),
  ],
  [
    "MobileNetV2, structured",
    (seed) => new MobileNetV2({ classes: 3, convolution: Sep }, build(seed)),
    (name) => {
      const nested = ["0.0", "0.1", "", "1.0", "1.1", "", "2", "3"];
      const first = ["0.0", "0.1", "", "1", "2"];
      return name
        .replace("classifier_conv", "classifier.1")
        .replace(
          /^features\.(\d+)\.conv\.(\d)/,
          (_, block, at) => `features.${block}.conv.${(block === "1" ? first : nested)[Number(at)]}`,
        );
    },
  ],
];

describe("files of earlier versions load", () => {
  test.each(former)("%s", async (_, create, rename) => {
    const [source, target] = [create(1), create(2)];
    const file = await valuesOf(source, rename);
    expect([...file.keys()]).not.toEqual([...source.state().keys()]);
    const classifier = file.get("classifier.1.conv.weight");
    if (classifier) file.set("classifier.1.conv.weight", { ...classifier, shape: [...classifier.shape, 1, 1] });
    target.loadState(file);
    const [got, expected] = [await valuesOf(target), await valuesOf(source)];
    expect([...expected].filter(([name, { data }]) => !sameBytes(got.get(name)!.data, data)).map(([name]) => name)).toEqual([]);
  });
});
