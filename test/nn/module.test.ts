/** State dicts: their names are PyTorch's, and loading overwrites every entry or none. */

import { describe, expect, test } from "vitest";
import { memory } from "../../src/backend/active.ts";
import type { Context } from "../../src/core/context.ts";
import { DataError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Dropout, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Layer, Module } from "../../src/nn/module.ts";
import { Buffer, Counter, Parameter } from "../../src/nn/state.ts";
import { tensor, zeros } from "../../src/ops/creation.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = () => ({ random: new Random(1) });

class Net extends Module {
  readonly features = new Sequential(new Conv2d(3, 4, 3, build(), { bias: true }), new BatchNorm2d(4, build()), ReLU(), Dropout(0.1));
  readonly heads = [new Linear(4, 2, build()), new Linear(4, 3, build(), { bias: false })];
  readonly scale = new Parameter(zeros([1]), "compressed");
  readonly name = "not state";
}

const names = [
  "features.0.weight",
  "features.0.bias",
  "features.1.weight",
  "features.1.bias",
  "features.1.running_mean",
  "features.1.running_var",
  "features.1.num_batches_tracked",
  "heads.0.weight",
  "heads.0.bias",
  "heads.1.weight",
  "scale",
];

test("a name is the path of field names and indices", () => {
  const net = new Net();
  expect([...net.state().keys()]).toEqual(names);
  expect([...net.parameters().keys()]).toEqual(names.filter((name) => !/running|tracked/.test(name)));
  expect(net.parameterCount()).toBe(4 * 3 * 9 + 4 + 4 + 4 + 2 * 4 + 2 + 3 * 4 + 1);
  expect(net.parameters().get("scale")?.decay).toBe("compressed");
  expect(net.modules().map((module) => module.constructor.name)).toEqual([
    "Net",
    "Sequential",
    "Conv2d",
    "BatchNorm2d",
    "ActivationLayer",
    "Lambda",
    "Linear",
    "Linear",
  ]);
});

test("more than ten layers keep their order", () => {
  const many = new Sequential(...Array.from({ length: 12 }, () => new Linear(1, 1, build(), { bias: false })));
  expect([...many.state().keys()]).toEqual(Array.from({ length: 12 }, (_, i) => `${i}.weight`));
});

type Values = Map<string, { shape: readonly number[]; data: ArrayLike<number> }>;

async function valuesOf(net: Module): Promise<Values> {
  const entries = [...net.state()].map(async ([name, state]) => [name, { shape: state.shape, data: await state.read() }] as const);
  return new Map(await Promise.all(entries));
}

const plain = (values: Values): Record<string, number[]> =>
  Object.fromEntries([...values].map(([name, { data }]) => [name, Array.from(data)]));

/** Every value plus 1, so that every write changes something. */
const shifted = (values: Values): Values =>
  new Map([...values].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data, (v) => v + 1) }]));

test("loaded values are read back, and every parameter keeps its storage", async () => {
  const net = new Net();
  const storages = [...net.parameters().values()].map(({ value }) => value.storage);
  const wanted = shifted(await valuesOf(net));
  net.loadState(wanted);
  const got = plain(await valuesOf(net));
  for (const [name, { data }] of wanted) expect(got[name], name).toEqual(Array.from(data, Math.fround));
  expect([...net.parameters().values()].map(({ value }) => value.storage)).toEqual(storages);
});

test("64-bit integers are loaded into counters and parameters, and an integer that would be rounded is refused", async () => {
  const net = new Net();
  const counter = "features.1.num_batches_tracked";
  const values = new Map<string, { shape: readonly number[]; data: ArrayLike<number> | ArrayLike<bigint> }>(await valuesOf(net));
  values.set(counter, { shape: [], data: BigInt64Array.of(7n) });
  values.set("scale", { shape: [1], data: BigInt64Array.of(-3n) });
  net.loadState(values);
  expect(plain(await valuesOf(net))).toMatchObject({ [counter]: [7], scale: [-3] });
  values.set(counter, { shape: [], data: BigInt64Array.of(2n ** 53n + 1n) });
  expect(() => net.loadState(values)).toThrow(/num_batches_tracked is \[9007199254740993n?\] instead of whole numbers/);
});

test("readState copies a network, and later training of one does not reach the other", async () => {
  const [net, twin] = [new Net(), new Net()];
  net.loadState(shifted(await valuesOf(net)));
  const copy = await net.readState();
  expect([...copy.keys()]).toEqual(names);
  twin.loadState(copy);
  expect(plain(await valuesOf(twin))).toEqual(plain(await valuesOf(net)));
  twin.scale.write([-5]);
  expect([...(await net.scale.read())]).not.toEqual([-5]);
});

describe("an error names the entry that does not fit, and nothing is written", () => {
  test.each<[string, (values: Values) => void, string]>([
    ["a missing entry", (values) => void values.delete("heads.0.bias"), "heads.0.bias is missing"],
    ["an unexpected entry", (values) => void values.set("heads.2.weight", { shape: [1], data: [1] }), "heads.2.weight is unexpected"],
    [
      "another shape of the same size",
      (values) => void values.set("heads.0.weight", { shape: [4, 2], data: new Float32Array(8) }),
      "heads.0.weight is [4,2] instead of [2,4]",
    ],
    ["fewer values than the shape says", (values) => void values.set("scale", { shape: [1], data: [] }), "scale"],
    [
      "more values than the shape says",
      (values) => void values.set("heads.1.weight", { shape: [3, 4], data: new Float32Array(13) }),
      "heads.1.weight",
    ],
    [
      "a fractional counter",
      (values) => void values.set("features.1.num_batches_tracked", { shape: [], data: [1.5] }),
      "num_batches_tracked",
    ],
    [
      "a counter that is NaN",
      (values) => void values.set("features.1.num_batches_tracked", { shape: [], data: [Number.NaN] }),
      "num_batches_tracked",
    ],
  ])("%s", async (_, spoil, message) => {
    const net = new Net();
    const before = plain(await valuesOf(net));
    const values = shifted(await valuesOf(net));
    spoil(values);
    expect(() => net.loadState(values)).toThrow(DataError);
    expect(() => net.loadState(values)).toThrow(message);
    expect(plain(await valuesOf(net))).toEqual(before);
  });

  test("an error names five entries and counts the others", () =>
    expect(() => new Net().loadState(new Map())).toThrow(`and ${names.length - 6} more`));

  test("an error shows names of both sides, and the beginning in which they differ", async () => {
    const net = new Net();
    const values = await net.readState();
    const wrapped = new Map([...values].map(([name, value]) => [`model.${name}`, value]));
    expect(() => net.loadState(wrapped)).toThrow(
      /features\.0\.weight is missing.*model\.features\.0\.weight is unexpected.*every name of the state begins with "model\.", remove it$/,
    );
    class Wrapped extends Module {
      readonly inner = new Net();
    }
    expect(() => new Wrapped().loadState(values)).toThrow(
      /inner\.features\.0\.weight is missing.*; features\.0\.weight is unexpected.*every name of the network begins with "inner\.", put it/,
    );
    const mixed = new Map([...values].map(([name, value], i) => [`${"ab"[i % 2]}.${name}`, value]));
    expect(() => net.loadState(mixed)).toThrow(/more$/);
    // With quadratic time, this name of a stranger would take minutes.
    expect(() => net.loadState(new Map([["x".repeat(2 ** 22), values.get("scale")!]]))).toThrow(/x is unexpected|x…/);
  });

  test("entries that were not read are refused by name", () =>
    expect(() => new Net().loadState(new Net().state() as never)).toThrow(
      /^loadState: the values must have been read, got Parameter as "features\.0\.weight"; pass await model\.readState\(\)$/,
    ));
});

describe("state", () => {
  test("parameters, buffers and counters refuse the wrong number of values", () => {
    for (const state of [new Parameter(zeros([2])), new Buffer(zeros([2])), new Counter()]) {
      expect(() => state.write([1, 2, 3])).toThrow(ShapeError);
    }
  });

  test("a buffer takes over a tensor of its shape and dtype, and frees the one before unless it is the same", async () => {
    const buffer = new Buffer(zeros([2]));
    const [before, next] = [buffer.value, tensor([1, 2])];
    buffer.value = next;
    expect([before.storage.alive, memory().storages]).toEqual([false, 1]);
    buffer.value = next;
    expect([...(await buffer.read())]).toEqual([1, 2]);
    expect(() => {
      buffer.value = zeros([3]);
    }).toThrow("shape and dtype must stay float32 [2]");
    expect(() => {
      buffer.value = zeros([2], { dtype: "float64" });
    }).toThrow(ShapeError);
    expect([...(await buffer.read())]).toEqual([1, 2]);
  });

  test("state outlives the scope that it was made in, and dispose frees it", () => {
    const net = scope(() => {
      const made = new Net();
      return () => made;
    })();
    for (const [name, state] of net.state()) if (!(state instanceof Counter)) expect(state.value.storage.alive, name).toBe(true);
    net.dispose();
    expect(memory().storages).toBe(0);
  });
});

test("every layer gets the context that forward is given", () => {
  const seen: unknown[] = [];
  class Spy extends Layer {
    forward(x: Tensor, context: Context): Tensor {
      seen.push(context);
      return x;
    }
  }
  const context = { training: true, random: new Random(1) };
  new Sequential(new Spy(), new Sequential(new Spy())).forward(zeros([1]), context);
  expect(seen).toEqual([context, context]);
});
