/** Profiles of a step: every kernel belongs to its layer and its pass, the times add up, and no number changes. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { disposeBackend, initBackend, kernels, useBackend } from "../../src/backend/active.ts";
import { createShapeOnlyBackend } from "../../src/backend/shape-only.ts";
import { profileRows } from "../../src/bench/profile-rows.ts";
import { BackendError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { detectAnomaly } from "../../src/nn/detect-anomaly.ts";
import { ReLU } from "../../src/nn/layers.ts";
import { Layer } from "../../src/nn/module.ts";
import { type Profile, profile } from "../../src/nn/profile.ts";
import { uniform } from "../../src/ops/creation.ts";
import { add, multiply, relu } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { noGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { calledKernels } from "../support/called-kernels.ts";

const channels = 3;
const size = 4;

const network = (): Sequential => {
  const build = { random: new Random(1) };
  return new Sequential(
    new Conv2d(channels, channels, 3, build, { padding: 1 }),
    new BatchNorm2d(channels, build),
    ReLU(),
    new Residual(new Conv2d(channels, channels, 1, build)),
  );
};

/** One step: a loss, the gradients of every parameter, an update. Its own loss shows that the numbers are those without a profile. */
function stepOf(model: Layer): () => Tensor {
  const optimizer = new Sgd([{ parameters: model.parameters() }]);
  const x = uniform([2, channels, size, size], new Random(2));
  return () => {
    const y = model.forward(x, { training: true, random: new Random(0) });
    const loss = sum(multiply(y, y));
    optimizer.step(gradients(loss, optimizer.values), 0.01);
    return loss;
  };
}

/** u·v + u with two layers, and an unrecorded op after it, as metrics are. */
class Product extends Layer {
  readonly u = new Conv2d(channels, channels, 1, { random: new Random(3) });
  readonly v = new Conv2d(channels, channels, 1, { random: new Random(4) });

  forward(x: Tensor): Tensor {
    const u = this.u.forward(x);
    const y = add(multiply(u, this.v.forward(x)), u);
    noGrad(() => relu(y));
    return y;
  }
}

/** A clock that moves by one at each reading. */
function ticking(): () => number {
  let now = 0;
  return () => now++;
}

describe.each(["reference", "wasm"] as const)("profile on %s", (backend) => {
  beforeAll(async () => {
    await initBackend([backend], { threads: 1 });
  });
  afterAll(disposeBackend);

  const taken = (): Profile => {
    const model = network();
    return profile(stepOf(model), { model, clock: ticking() }).profile;
  };

  test("gives each convolution and its gradients to its layer and its pass", () => {
    const pixels = 2 * size ** 2;
    const convolutions = taken().calls.filter(({ multiplyAdds }) => multiplyAdds > 0);
    expect(convolutions.map(({ kernel, layer, pass, multiplyAdds }) => [kernel, layer, pass, multiplyAdds])).toEqual([
      ["conv2d", "0", "forward", pixels * channels ** 2 * 9],
      ["conv2d", "3.f", "forward", pixels * channels ** 2],
      ["conv2dInputGradient", "3.f", "backward", pixels * channels ** 2],
      ["conv2dWeightGradient", "3.f", "backward", pixels * channels ** 2],
      ["conv2dWeightGradient", "0", "backward", pixels * channels ** 2 * 9],
    ]);
  });

  test("gives the norm, the running statistics, the loss and the update to where they belong", () => {
    const { calls } = taken();
    const places = (kernel: string): string[] =>
      calls.filter((call) => call.kernel === kernel).map(({ layer, pass }) => `${layer} ${pass}`);
    expect(places("batchNorm")).toEqual(["1 forward"]);
    expect(places("batchNormGradient")).toEqual(["1 backward"]);
    // The norm computes the ReLU after it, in the same kernels.
    expect(calls.filter(({ layer }) => layer === "2")).toEqual([]);
    expect(places("binary add").filter((place) => !place.startsWith("1 "))).toEqual([]);
    // The residual sum, the sum of the two gradients of y·y with respect to y, and that of the two gradients that reach the ReLU's output.
    expect(places("accumulate")).toEqual(["3.f forward", "3.f backward", "1 backward"]);
    expect(places("reduce sum")).toContain("undefined forward");
    expect(new Set(places("sgdUpdate"))).toEqual(new Set(["undefined update"]));
    expect(
      calls.every(
        ({ pass }, i) =>
          i === 0 || ["forward", "backward", "update"].indexOf(pass) >= ["forward", "backward", "update"].indexOf(calls[i - 1]!.pass),
      ),
    ).toBe(true);
  });

  test("gives a sum of gradients to the layer whose output they belong to, and unrecorded work to the layer that does it", () => {
    const model = new Product();
    const x = uniform([1, channels, 2, 2], new Random(5));
    const seed = uniform([1, channels, 2, 2], new Random(6));
    const wrt = [...model.parameters().values()].map(({ value }) => value);
    const { calls } = profile(() => void gradients(model.forward(x), wrt, { seed }), { model }).profile;
    const places = (kernel: string): unknown[] => calls.filter((call) => call.kernel === kernel).map(({ layer, pass }) => [layer, pass]);
    expect(places("binary add")).toEqual([["", "forward"]]);
    expect(places("accumulate")).toEqual([["u", "backward"]]);
    expect(places("unary relu")).toEqual([["", "forward"]]);
  });

  test("adds up: the kernels, the layers, and the time between kernels are each the whole step", () => {
    const whole = taken();
    // The clock is read once before and once after the step, and twice for each call, in which it moves by one.
    expect(whole.milliseconds).toBe(2 * whole.calls.length + 1);
    const { kernels: byKernel, layers, ms, betweenKernelsMs } = profileRows(whole);
    for (const rows of [byKernel, layers]) {
      const total = (of: "calls" | "ms" | "bytes" | "multiplyAdds"): number => rows.reduce((sum_, row) => sum_ + row[of], 0);
      expect(total("calls")).toBe(whole.calls.length);
      expect(total("ms")).toBe(whole.calls.length);
      expect(total("ms") + betweenKernelsMs).toBe(ms);
      for (const of of ["bytes", "multiplyAdds"] as const) expect(total(of)).toBe(whole.calls.reduce((sum_, call) => sum_ + call[of], 0));
      for (const row of rows) {
        expect(row.gflops).toBeCloseTo((2 * row.multiplyAdds) / (row.ms * 1e6), 8);
        expect(row.forwardMs + row.backwardMs).toBeLessThanOrEqual(row.ms);
      }
      expect(rows.map((row) => row.ms)).toEqual(rows.map((row) => row.ms).toSorted((a, b) => b - a));
    }
  });

  test.each([
    ["a convolution, a norm and a residual", network],
    ["WRN-10-1", () => new WideResNet({ depth: 10, width: 1, classes: channels }, { random: new Random(1) })],
  ] as const)("runs the very kernels that a step without names or profile runs: %s", (_, make) => {
    const run = (watch: (step: () => Tensor, model: Layer) => unknown): string[] => {
      const model = make();
      const step = stepOf(model);
      return calledKernels(() => void watch(step, model));
    };
    const plain = run((step) => step());
    expect(plain).toContain("batchNormGradient");
    expect(plain).not.toContain("unary");
    expect(run((step, model) => detectAnomaly(step, { model }))).toEqual(plain);
    // `profile` asks first, by one element, whether numbers can be read at once.
    expect(run((step, model) => profile(step, { model }))).toEqual(["full", ...plain]);
  });

  test("changes no number, and leaves the backend and the model as they were, after an error too", async () => {
    const [plain, watched] = [network(), network()];
    const [step, watchedStep] = [stepOf(plain), stepOf(watched)];
    const own = Object.getOwnPropertyNames(watched).length;
    const active = kernels();
    for (let i = 0; i < 2; i++) expect(await profile(watchedStep, { model: watched }).result.data()).toEqual(await step().data());
    expect(() =>
      profile(
        () => {
          throw new RangeError("stop");
        },
        { model: watched },
      ),
    ).toThrow(RangeError);
    expect(kernels()).toBe(active);
    expect(Object.getOwnPropertyNames(watched)).toHaveLength(own);
  });
});

test("a profile of a backend that still computes when a kernel returns is refused", () => {
  useBackend(createShapeOnlyBackend());
  expect(() => profile(() => undefined)).toThrow(BackendError);
  useBackend(undefined);
});

test("every time of a row is a sum of times of the profile", () => {
  const call = fc.record({
    kernel: fc.constantFrom("a", "b", "c"),
    start: fc.nat(100),
    milliseconds: fc.nat(9),
    bytes: fc.nat(100),
    multiplyAdds: fc.nat(100),
    pass: fc.constantFrom("forward", "backward", "update"),
    layer: fc.constantFrom(undefined, "", "x", "y.0"),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const milliseconds = 300;
      const { kernels: rows } = profileRows({ calls: calls as Profile["calls"], start: 0, milliseconds });
      for (const name of ["a", "b", "c"]) {
        const own = calls.filter(({ kernel }) => kernel === name);
        const row = rows.find((candidate) => candidate.name === name);
        expect(row?.calls ?? 0).toBe(own.length);
        expect(row?.ms ?? 0).toBe(own.reduce((total, { milliseconds: ms }) => total + ms, 0));
        expect(row?.backwardMs ?? 0).toBe(own.reduce((total, { milliseconds: ms, pass }) => total + (pass === "backward" ? ms : 0), 0));
        expect(row?.gigabytesPerSecond).not.toBe(Infinity);
      }
    }),
  );
});
