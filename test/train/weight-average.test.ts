/** The moving average, the optimiser that keeps it, and Lookahead against their recurrences on plain numbers. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { AveragedOptimizer } from "../../src/train/averaged-optimizer.ts";
import { Lookahead } from "../../src/train/lookahead.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { WeightAverage } from "../../src/train/weight-average.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { copyState, gradientAt, named, parameter, vector } from "./optimizers.ts";

onReferenceBackend();

describe("WeightAverage", () => {
  test("follows w̄ ← d·w̄ + (1 − d)·w with d = min(decay, (1 + t)/(10 + t))", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom(0, 0.3, 0.9, 0.999), fc.integer({ min: 0, max: 30 }), async (seed, decay, updates) => {
        const p = parameter([1, -2, 3]);
        const average = new WeightAverage(named({ p }), { decay });
        let expected = [1, -2, 3];
        for (let t = 1; t <= updates; t++) {
          const weights = gradientAt(seed, t);
          p.write(weights);
          average.update();
          const d = Math.min(decay, (1 + t) / (10 + t));
          expected = expected.map((old, i) => d * old + (1 - d) * weights[i]!);
        }
        const last = [...(await p.read())];
        average.swap();
        expectValues(await p.read(), expected, 1e-13);
        average.swap();
        expect([...(await p.read())]).toEqual(last);
      }),
      { numRuns: 40 },
    ));

  test("swaps bit for bit, also numbers of very different sizes", async () => {
    const p = parameter([1e30, 1e-30, 3]);
    const average = new WeightAverage(named({ p }));
    p.write([1e-30, 1e30, 0.1]);
    average.swap();
    expect([...(await p.read())]).toEqual([1e30, 1e-30, 3]);
    average.swap();
    expect([...(await p.read())]).toEqual([1e-30, 1e30, 0.1]);
  });

  test("continues from its state", async () => {
    const run = async (pause: boolean): Promise<number[]> => {
      const p = parameter([1, 2, 3]);
      let average = new WeightAverage(named({ p }), { decay: 0.5 });
      for (let t = 0; t < 6; t++) {
        if (pause && t === 3) {
          const next = new WeightAverage(named({ p }), { decay: 0.5 });
          for (const [name, entry] of average.state())
            next
              .state()
              .get(name)!
              .write(await entry.read());
          average = next;
        }
        p.write(gradientAt(5, t));
        average.update();
      }
      average.swap();
      return [...(await p.read())];
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test.each([-0.1, 1, Number.NaN])("refuses a decay of %d", (decay) =>
    expect(() => new WeightAverage(named({ p: parameter([1]) }), { decay })).toThrow(ConfigError),
  );
});

describe("AveragedOptimizer", () => {
  const make = () => {
    const p = parameter([9, 9, 9]);
    return { p, optimizer: new AveragedOptimizer(new Sgd([{ parameters: named({ p }) }]), named({ p }), { decay: 0.3 }) };
  };
  const averageIn = ({ p, optimizer }: ReturnType<typeof make>): Promise<number[]> =>
    optimizer.average.instead(async () => [...(await p.read())]);

  test("steps as the optimiser does, and averages from the weights before the first step", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 12 }), async (seed, count) => {
        const made = make();
        // The weights are overwritten after the optimiser is made, as by a pretrained network.
        made.p.write([1, 2, 3]);
        let [weights, expected] = [
          [1, 2, 3],
          [1, 2, 3],
        ];
        for (let t = 1; t <= count; t++) {
          made.optimizer.step([vector(gradientAt(seed, t))], 0.1);
          weights = weights.map((w, i) => w - 0.1 * gradientAt(seed, t)[i]!);
          const d = Math.min(0.3, (1 + t) / (10 + t));
          expected = expected.map((old, i) => d * old + (1 - d) * weights[i]!);
        }
        expectValues(await made.p.read(), weights, 1e-13);
        expectValues(await averageIn(made), expected, 1e-13);
        expectValues(await made.p.read(), weights, 1e-13);
      }),
      { numRuns: 40 },
    ));

  test("continues from its state", async () => {
    const [whole, before, after] = [make(), make(), make()];
    for (let t = 1; t <= 5; t++) whole.optimizer.step([vector(gradientAt(3, t))], 0.1);
    for (let t = 1; t <= 2; t++) before.optimizer.step([vector(gradientAt(3, t))], 0.1);
    await copyState(before.optimizer, after.optimizer);
    after.p.write(await before.p.read());
    for (let t = 3; t <= 5; t++) after.optimizer.step([vector(gradientAt(3, t))], 0.1);
    expect(await averageIn(after)).toEqual(await averageIn(whole));
  });

  test("puts the weights back when a body fails", async () => {
    const made = make();
    made.optimizer.step([vector([1, 1, 1])], 1);
    await expect(made.optimizer.average.instead(() => Promise.reject(new Error("stopped")))).rejects.toThrow("stopped");
    expect([...(await made.p.read())]).toEqual([8, 8, 8]);
  });
});

/** SGD without momentum and Lookahead on plain numbers. */
function slowLookahead(seed: number, options: { every: number; decay: number; steps?: number }, count: number): number[] {
  let [fast, slow] = [
    [1, 2, 3],
    [1, 2, 3],
  ];
  for (let t = 1; t <= count; t++) {
    fast = fast.map((w, i) => w - 0.1 * gradientAt(seed, t)[i]!);
    if (t === options.steps) fast = slow;
    else if (t % options.every === 0) {
      const d = options.decay * (options.steps === undefined ? 1 : Math.min(1, t / options.steps) ** 3);
      slow = slow.map((w, i) => d * w + (1 - d) * fast[i]!);
      fast = slow;
    }
  }
  return fast;
}

describe("Lookahead", () => {
  const lookaheads = fc.record(
    {
      every: fc.integer({ min: 1, max: 4 }),
      decay: fc.constantFrom(0, 0.25, 0.77, 1),
      steps: fc.integer({ min: 1, max: 12 }),
    },
    { requiredKeys: ["every", "decay"] },
  );
  const make = (options: ConstructorParameters<typeof Lookahead>[2]) => {
    const p = parameter([1, 2, 3]);
    return { p, optimizer: new Lookahead(new Sgd([{ parameters: named({ p }) }]), named({ p }), options) };
  };

  test("follows φ ← d·φ + (1 − d)·w and w ← φ after every k steps, and ends with the slow weights", () =>
    fc.assert(
      fc.asyncProperty(seeds, lookaheads, fc.integer({ min: 0, max: 14 }), async (seed, options, count) => {
        const { p, optimizer } = make(options);
        for (let t = 1; t <= count; t++) optimizer.step([vector(gradientAt(seed, t))], 0.1);
        expectValues(await p.read(), slowLookahead(seed, options, count), 1e-13);
      }),
      { numRuns: 60 },
    ));

  test("begins with the weights before its first step, and leaves frozen parameters as they are", async () => {
    const [p, q] = [parameter([9, 9, 9]), parameter([9, 9, 9])];
    const optimizer = new Lookahead(new Sgd([{ parameters: named({ p, q }) }]), named({ p, q }), { every: 2, decay: 0.25 });
    // The weights are overwritten after the optimiser is made, as by a pretrained network.
    p.write([1, 2, 3]);
    q.write([4, 5, 6]);
    q.trainable = false;
    for (const t of [1, 2]) optimizer.step([vector(gradientAt(7, t))], 0.1);
    expectValues(await p.read(), slowLookahead(7, { every: 2, decay: 0.25 }, 2), 1e-13);
    expect([...(await q.read())]).toEqual([4, 5, 6]);
    // Trained again, the parameter begins with the values that it has now.
    q.write([7, 7, 7]);
    for (const t of [3, 4]) optimizer.step([vector(gradientAt(7, t))], 0.1);
    q.trainable = true;
    for (const t of [5, 6]) optimizer.step([vector(gradientAt(7, t)), vector([0, 0, 0])], 0.1);
    expectValues(await q.read(), [7, 7, 7], 1e-13);
  });

  test("continues from its state, bit for bit", () =>
    fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 0, max: 7 }), async (seed, before) => {
        const options = { every: 3, decay: 0.5, steps: 8 };
        const [whole, first, second] = [make(options), make(options), make(options)];
        const go = ({ optimizer }: ReturnType<typeof make>, from: number, to: number): void => {
          for (let t = from; t < to; t++) optimizer.step([vector(gradientAt(seed, t))], 0.1);
        };
        go(whole, 0, 8);
        go(first, 0, before);
        second.p.write(await first.p.read());
        await copyState(first.optimizer, second.optimizer);
        go(second, before, 8);
        expect([...(await second.p.read())]).toEqual([...(await whole.p.read())]);
      }),
      { numRuns: 15 },
    ));

  test.each([{ every: 0 }, { every: 1.5 }, { decay: -1 }, { decay: 1.1 }, { steps: 0 }])("refuses %j", (options) =>
    expect(() => make(options)).toThrow(ConfigError),
  );
});
