import { afterAll, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { FastNet } from "../../src/models/fast-net.ts";
import { MobileNetV2 } from "../../src/models/mobile-net-v2.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Module } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { zeros } from "../../src/ops/creation.ts";
import { Adam } from "../../src/train/adam.ts";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { decayGroups, parameterGroups } from "../../src/train/parameter-groups.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { calledKernels } from "../support/called-kernels.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

class Mixed extends Module {
  readonly compressed_by_name_only = new Parameter(zeros([1]));
  readonly core = new Parameter(zeros([1]), "compressed");
  readonly bias = new Parameter(zeros([1]));
}

test("a parameter's group depends on its property and not on its name", () => {
  const [full, compressed] = decayGroups(new Mixed(), { full: 0.5, compressed: 0.1 });
  expect(full?.weightDecay).toBe(0.5);
  expect([...full!.parameters.keys()]).toEqual(["compressed_by_name_only", "bias"]);
  expect(compressed?.weightDecay).toBe(0.1);
  expect([...compressed!.parameters.keys()]).toEqual(["core"]);
});

test("both groups have the same decay by default", () => {
  expect(decayGroups(new Mixed(), { full: 0.5 }).map(({ weightDecay }) => weightDecay)).toEqual([0.5, 0.5]);
});

class WithRoles extends Module {
  readonly map = new Parameter(zeros([2, 2]));
  readonly scale = new Parameter(zeros([2]), "full", "norm");
  readonly core = new Parameter(zeros([2, 1]), "compressed");
  readonly shift = new Parameter(zeros([2]), "full", "norm");
  readonly last = new Parameter(zeros([2, 2]), "full", "classifier");
}

test("a factor of the rate belongs to a role or to vectors among the weights, and divides the decay, so that rate times decay stays", () => {
  const groups = parameterGroups(new WithRoles().parameters(), { full: 0.5, compressed: 0.1 }, { norm: 64, classifier: 2, vector: 5 });
  const rows = groups.map(({ parameters, weightDecay, rateFactor }) => [[...parameters.keys()].join(), weightDecay, rateFactor]);
  expect(rows).toEqual([
    ["map", 0.5, 1],
    ["scale,shift", 0.5 / 64, 64],
    ["core", 0.1 / 5, 5],
    ["last", 0.25, 2],
  ]);
  for (const factor of ["norm", "classifier", "vector"])
    expect(() => parameterGroups(new Map(), { full: 1 }, { [factor]: 0 })).toThrow(ConfigError);
});

test("layers and networks name the roles of their parameters", () => {
  const random = new Random(0);
  expect([...new BatchNorm2d(2, { random }).parameters().values()].map(({ role }) => role)).toEqual(["norm", "norm"]);
  const networks = [
    new WideResNet({ depth: 10, width: 1 }, { random }),
    new FastNet({ widths: [2, 2, 2] }, { random }),
    new MobileNetV2({ classes: 3 }, { random }),
  ];
  for (const network of networks) {
    const roles = [...network.parameters().values()].map(({ role }) => role);
    expect(new Set(roles)).toEqual(new Set(["weight", "norm", "classifier"]));
    // The classifier comes last, and nothing else has its role.
    expect(roles.lastIndexOf("weight")).toBeLessThan(roles.indexOf("classifier"));
    expect(roles.slice(roles.indexOf("classifier")).every((role) => role === "classifier")).toBe(true);
  }
});

test.each<[string, (model: Module) => Optimizer]>([
  ["sgdUpdate", (model) => new Sgd(decayGroups(model, { full: 0.5, compressed: 0.1 }), { momentum: 0.9 })],
  ["adamUpdate", (model) => new Adam(decayGroups(model, { full: 0.5, compressed: 0.1 }))],
])("%s updates the parameters of all groups in one call", (kernel, create) => {
  const optimizer = create(new Mixed());
  const gradients = optimizer.values.map(({ shape }) => zeros(shape));
  expect(calledKernels(() => optimizer.step(gradients, 0.1))).toEqual([kernel]);
});
