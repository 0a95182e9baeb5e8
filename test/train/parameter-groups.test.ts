import { afterAll, beforeAll, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { Module } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { zeros } from "../../src/ops/creation.ts";
import { decayGroups } from "../../src/train/parameter-groups.ts";

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
