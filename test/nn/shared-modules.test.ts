/** What a module finds in its fields: shared layers, containers, cycles, and parameters that it cannot see. */

import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { countNetwork } from "../../src/count/count-network.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { checkRegistered } from "../../src/nn/check-registered.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import type { Build } from "../../src/nn/init.ts";
import { Lambda } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Layer, Module } from "../../src/nn/module.ts";
import { ones } from "../../src/ops/creation.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): Build => ({ random: new Random(1) });
const linear = (): Linear => new Linear(2, 2, build(), { bias: false });
const context = { training: true };

describe("a layer that is used twice", () => {
  const twice = (): Sequential => {
    const shared = linear();
    return new Sequential(shared, shared);
  };

  test("has both names in the state, and is one parameter under its first name", () => {
    const network = twice();
    expect([...network.state().keys()]).toEqual(["0.weight", "1.weight"]);
    expect([...network.parameters().keys()]).toEqual(["0.weight"]);
    expect(network.parameterCount()).toBe(4);
    expect(network.modules()).toEqual([network, network.layers[0]]);
  });

  test("is updated once in a step of SGD, by the sum of both gradients", async () => {
    const network = twice();
    const w = [1, 2, 3, 4];
    network.loadState(new Map(["0.weight", "1.weight"].map((name) => [name, { shape: [2, 2], data: w }])));
    const optimizer = new Sgd([{ parameters: network.parameters() }]);
    const loss = sum(network.forward(ones([1, 2]), context));
    optimizer.step(gradients(loss, optimizer.values), 1);
    // L = 1ᵀ·W·W·1, so ∂L/∂W = 1·(W·1)ᵀ + (Wᵀ·1)·1ᵀ with W·1 = (3, 7) and Wᵀ·1 = (4, 6).
    expect([...(await network.state().get("0.weight")!.read())]).toEqual([1 - (3 + 4), 2 - (7 + 4), 3 - (3 + 6), 4 - (7 + 6)]);
  });

  test("is counted once, with the work of both calls", () => {
    const { params, layers } = countNetwork(
      ({ random }) => {
        const shared = new Linear(2, 2, { random }, { bias: false });
        return new Sequential(shared, shared);
      },
      [2],
    );
    expect(params).toBe(4);
    expect(layers[0]).toMatchObject({ name: "0", params: 4, multAdds: 8 });
  });
});

class Held extends Module {
  readonly map = new Map<string | number, unknown>([
    ["a", linear()],
    [7, [linear()]],
  ]);
  readonly set = new Set([linear()]);
  readonly object = { left: linear(), right: { deep: linear() }, numbers: [1, 2, 3] };
}

test("layers in maps, sets and plain objects are found by key or position", () =>
  expect([...new Held().state().keys()]).toEqual([
    "map.a.weight",
    "map.7.0.weight",
    "set.0.weight",
    "object.left.weight",
    "object.right.deep.weight",
  ]));

test("two entries of one name are an error", () => {
  class Clash extends Module {
    readonly layer = new Map<string, unknown>([
      ["a.weight", linear().weight],
      ["a", linear()],
    ]);
  }
  expect(() => new Clash().state()).toThrow(/names must be different, got "layer.a.weight" twice/);
});

class Child extends Module {
  parent: Module | undefined;
  readonly layer = linear();
}

test("a module that contains itself is an error that names the cycle, and it can be printed", () => {
  class Parent extends Module {
    readonly blocks = [new Child()];
  }
  const parent = new Parent();
  parent.blocks[0]!.parent = parent;
  for (const use of [() => parent.state(), () => parent.modules(), () => parent.parameterCount()]) {
    expect(use).toThrow(ConfigError);
    expect(use).toThrow(/got the module itself again as "blocks.0.parent"/);
  }
  expect(String(parent)).toContain("(layer): Linear(2, 2, bias=false)");
});

test("a plain object may hold itself", () => {
  class Settings extends Module {
    readonly layer = linear();
    readonly options: Record<string, unknown> = {};
  }
  const module = new Settings();
  module.options.self = module.options;
  expect([...module.state().keys()]).toEqual(["layer.weight"]);
});

describe("a parameter that the state does not have", () => {
  class Hidden extends Layer {
    readonly #inner = linear();
    forward(x: Tensor): Tensor {
      return this.#inner.forward(x);
    }
  }

  test("is an error of checkRegistered", () => {
    const network = new Sequential(linear(), new Hidden());
    const y = network.forward(ones([1, 2]), context);
    expect(() => checkRegistered(network, y)).toThrow(/must be in its state, got one of shape \[2,2\] that is not/);
  });

  test("is no error if it is frozen, or if the state has it", () => {
    const outside = linear();
    const network = new Sequential(linear(), new Lambda((x) => outside.forward(x)));
    const y = network.forward(ones([1, 2]), context);
    expect(() => checkRegistered(network, y)).toThrow(ConfigError);
    outside.weight.trainable = false;
    checkRegistered(network, y);
    const plain = new Sequential(linear());
    checkRegistered(plain, plain.forward(ones([1, 2]), context));
  });
});
