import { afterAll, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { Module } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { zeros } from "../../src/ops/creation.ts";
import { Adam } from "../../src/train/adam.ts";
import type { Optimizer } from "../../src/train/optimizer.ts";
import { decayGroups } from "../../src/train/parameter-groups.ts";
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

test.each<[string, (model: Module) => Optimizer]>([
  ["sgdUpdate", (model) => new Sgd(decayGroups(model, { full: 0.5, compressed: 0.1 }), { momentum: 0.9 })],
  ["adamUpdate", (model) => new Adam(decayGroups(model, { full: 0.5, compressed: 0.1 }))],
])("%s updates the parameters of all groups in one call", (kernel, create) => {
  const optimizer = create(new Mixed());
  const gradients = optimizer.values.map(({ shape }) => zeros(shape));
  expect(calledKernels(() => optimizer.step(gradients, 0.1))).toEqual([kernel]);
});
