/** Adam and AdamW against the algorithms of their papers, which the tests run on plain numbers. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, SeparableError } from "../../src/core/errors.ts";
import { Adam } from "../../src/train/adam.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { copyState, gradientAt, named, parameter, vector } from "./optimizers.ts";

onReferenceBackend();

const options = fc.record({
  beta1: fc.constantFrom(0, 0.5, 0.9),
  beta2: fc.constantFrom(0, 0.9, 0.999),
  epsilon: fc.constantFrom(1e-8, 1e-3),
  decoupled: fc.boolean(),
});

test("follows algorithm 1 of 1412.6980, or algorithm 2 of 1711.05101 when decoupled", () =>
  fc.assert(
    fc.asyncProperty(
      options,
      fc.constantFrom(0, 0.1),
      fc.constantFrom(1, 0.3),
      seeds,
      fc.integer({ min: 1, max: 5 }),
      async (settings, weightDecay, rateFactor, seed, steps) => {
        const { beta1, beta2, epsilon, decoupled } = settings;
        const p = [...gradientAt(seed, 99)];
        const own = parameter(p);
        const adam = new Adam([{ parameters: named({ p: own }), weightDecay, rateFactor }], settings);
        const [m, s] = [
          [0, 0, 0],
          [0, 0, 0],
        ];
        for (let t = 1; t <= steps; t++) {
          const rate = (0.1 / t) * rateFactor;
          const g = gradientAt(seed, t);
          adam.step([vector(g)], 0.1 / t);
          for (const i of p.keys()) {
            const d = g[i]! + (decoupled ? 0 : weightDecay * p[i]!);
            m[i] = beta1 * m[i]! + (1 - beta1) * d;
            s[i] = beta2 * s[i]! + (1 - beta2) * d * d;
            const step = m[i]! / (1 - beta1 ** t) / (Math.sqrt(s[i]! / (1 - beta2 ** t)) + epsilon);
            p[i]! -= rate * (step + (decoupled ? weightDecay * p[i]! : 0));
          }
        }
        expectValues(await own.read(), p, 1e-11);
      },
    ),
  ));

test("continues from its state bit for bit", async () => {
  const make = () => {
    const p = parameter([1, 2, 3]);
    return { p, adam: new Adam([{ parameters: named({ p }), weightDecay: 0.1 }]) };
  };
  const [whole, first, second] = [make(), make(), make()];
  for (let step = 0; step < 5; step++) whole.adam.step([vector(gradientAt(7, step))], 0.1);
  for (let step = 0; step < 2; step++) first.adam.step([vector(gradientAt(7, step))], 0.1);
  second.p.write(await first.p.read());
  await copyState(first.adam, second.adam);
  for (let step = 2; step < 5; step++) second.adam.step([vector(gradientAt(7, step))], 0.1);
  expectValues(await second.p.read(), await whole.p.read(), 0);
  expect([...whole.adam.state().keys()]).toEqual(["steps", "skipped", "mean.p", "square.p"]);
});

describe("refuses", () => {
  const groups = () => [{ parameters: named({ p: parameter([1, 2]) }) }];

  test.each([{ beta1: 1 }, { beta1: -0.1 }, { beta2: 1 }, { beta2: Number.NaN }, { epsilon: -1 }, { epsilon: Number.NaN }])(
    "%j",
    (settings) => expect(() => new Adam(groups(), settings)).toThrow(ConfigError),
  );

  test("an invalid learning rate, or gradients that do not fit, and changes nothing", async () => {
    const p = parameter([1, 2]);
    const adam = new Adam([{ parameters: named({ p }) }]);
    expect(() => adam.step([vector([1, 2])], Number.NaN)).toThrow(ConfigError);
    for (const bad of [[], [vector([1])], [vector([1, 2]), vector([1])]]) expect(() => adam.step(bad, 0.1)).toThrow(SeparableError);
    expect([...(await p.read())]).toEqual([1, 2]);
    expect([...(await adam.state().get("steps")!.read())]).toEqual([0]);
  });
});
