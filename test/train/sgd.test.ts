/** SGD against the recurrence of torch.optim.SGD, which the tests run on plain numbers. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, SeparableError } from "../../src/core/errors.ts";
import { tensor } from "../../src/ops/creation.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { copyState, gradientAt, named, parameter, vector } from "./optimizers.ts";

onReferenceBackend();

const options = fc.record({
  momentum: fc.constantFrom(0, 0.5, 0.9),
  nesterov: fc.boolean(),
  weightDecay: fc.constantFrom(0, 1e-2, 0.3),
  rateFactor: fc.constantFrom(1, 0.5),
});

test("follows v ← momentum·v + (g + λp), p ← p − lr·v, and Nesterov's variant", () =>
  fc.assert(
    fc.asyncProperty(
      options,
      seeds,
      fc.integer({ min: 1, max: 5 }),
      async ({ momentum, nesterov: wanted, weightDecay, rateFactor }, seed, steps) => {
        const nesterov = wanted && momentum > 0;
        const p = [...gradientAt(seed, 99)];
        const own = parameter(p);
        const sgd = new Sgd([{ parameters: named({ p: own }), weightDecay, rateFactor }], { momentum, nesterov });
        let v: number[] | undefined;
        for (let step = 0; step < steps; step++) {
          const rate = 0.1 / (step + 1);
          const g = gradientAt(seed, step);
          sgd.step([vector(g)], rate);
          const d = g.map((value, i) => value + weightDecay * p[i]!);
          v = v === undefined ? d : v.map((value, i) => momentum * value + d[i]!);
          for (const i of p.keys()) p[i]! -= rate * rateFactor * (nesterov ? d[i]! + momentum * v[i]! : v[i]!);
        }
        expectValues(await own.read(), p);
      },
    ),
  ));

test("groups have their own decay and rate, and parameters keep the order of the groups", async () => {
  const [a, b, c] = [parameter([1]), parameter([1]), parameter([1])];
  const sgd = new Sgd([
    { parameters: named({ a, b }), weightDecay: 0.5 },
    { parameters: named({ c }), rateFactor: 2 },
  ]);
  expect(sgd.parameters).toEqual([a, b, c]);
  sgd.step([vector([1]), vector([2]), vector([4])], 0.1);
  expectValues([...(await a.read()), ...(await b.read()), ...(await c.read())], [1 - 0.15, 1 - 0.25, 1 - 0.8]);
});

test("continues from its state bit for bit", () =>
  fc.assert(
    fc.asyncProperty(seeds, fc.integer({ min: 0, max: 3 }), async (seed, before) => {
      const make = () => {
        const p = parameter([1, 2, 3]);
        return { p, sgd: new Sgd([{ parameters: named({ p }), weightDecay: 0.1 }], { momentum: 0.9 }) };
      };
      const [whole, first] = [make(), make()];
      for (let step = 0; step < 5; step++) whole.sgd.step([vector(gradientAt(seed, step))], 0.1);
      for (let step = 0; step < before; step++) first.sgd.step([vector(gradientAt(seed, step))], 0.1);
      const second = make();
      second.p.write(await first.p.read());
      await copyState(first.sgd, second.sgd);
      for (let step = before; step < 5; step++) second.sgd.step([vector(gradientAt(seed, step))], 0.1);
      expectValues(await second.p.read(), await whole.p.read(), 0);
    }),
    { numRuns: 20 },
  ));

test("the state names each velocity after its parameter, and has none without momentum", () => {
  const groups = () => [{ parameters: named({ "fc.weight": parameter([1]) }) }];
  expect([...new Sgd(groups(), { momentum: 0.9 }).state().keys()]).toEqual(["steps", "velocity.fc.weight"]);
  expect([...new Sgd(groups()).state().keys()]).toEqual(["steps"]);
});

describe("refuses", () => {
  const groups = () => [{ parameters: named({ p: parameter([1, 2]) }) }];

  test.each([{ momentum: 1 }, { momentum: -0.1 }, { momentum: Number.NaN }, { nesterov: true }])("%j", (settings) =>
    expect(() => new Sgd(groups(), settings)).toThrow(ConfigError),
  );

  test.each([{ weightDecay: -1 }, { weightDecay: Number.NaN }, { weightDecay: Infinity }, { rateFactor: Number.NaN }, { rateFactor: -1 }])(
    "a group with %j",
    (settings) => expect(() => new Sgd([{ ...groups()[0]!, ...settings }])).toThrow(ConfigError),
  );

  test("a parameter in two groups, or two of one name", () => {
    const p = parameter([1]);
    expect(() => new Sgd([{ parameters: named({ p }) }, { parameters: named({ q: p }) }])).toThrow("one group only");
    expect(() => new Sgd([...groups(), ...groups()])).toThrow(ConfigError);
  });

  test.each([-0.1, Number.NaN, Infinity])("learning rate %d", (rate) =>
    expect(() => new Sgd(groups()).step([vector([1, 2])], rate)).toThrow(ConfigError),
  );

  test.each([
    ["too few gradients", () => []],
    ["too many gradients", () => [vector([1, 2]), vector([1])]],
    ["a gradient of another shape", () => [vector([1])]],
    ["a gradient of another dtype", () => [tensor([1, 2])]],
  ])("%s, and changes nothing", async (_, make) => {
    const p = parameter([1, 2]);
    const sgd = new Sgd([{ parameters: named({ p }) }], { momentum: 0.9 });
    expect(() => sgd.step(make(), 0.1)).toThrow(SeparableError);
    expect([...(await p.read())]).toEqual([1, 2]);
    expect([...(await sgd.state().get("steps")!.read())]).toEqual([0]);
  });
});
