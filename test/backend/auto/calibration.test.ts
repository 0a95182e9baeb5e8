/** The calibration: which kernels it runs, what it makes of the clock, and that it leaves nothing behind. */

import { describe, expect, test } from "vitest";
import { useBackend } from "../../../src/backend/active.ts";
import { timeRound } from "../../../src/backend/auto/calibration.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { createShapeOnlyBackend } from "../../../src/backend/shape-only.ts";
import { Random } from "../../../src/core/random.ts";
import { gradients } from "../../../src/grad/gradients.ts";
import { WideResNet } from "../../../src/models/wide-resnet.ts";
import { crossEntropy } from "../../../src/nn/losses.ts";
import { zeros } from "../../../src/ops/creation.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { smallWork } from "./small-work.ts";

/** The kernels in which a training step spends its time. */
const dominant = ["conv2d", "conv2dInputGradient", "conv2dWeightGradient", "batchNorm", "batchNormGradient", "matmul", "unary", "binary"];

/** The backend with a list of its calls: the name, the lengths of the storages, and the plain numbers. */
function recording(inner: Kernels): { backend: Kernels; calls: string[] } {
  const calls: string[] = [];
  const textOf = (argument: unknown): unknown => {
    if (typeof argument !== "object" || argument === null) return argument;
    if ("dtype" in argument) return (argument as Storage).length;
    return Object.fromEntries(Object.entries(argument).map(([name, value]) => [name, textOf(value)]));
  };
  const wrapped = dominant.map((name) => {
    const kernel = inner[name as "conv2d"] as (...args: unknown[]) => never;
    const call = (...args: unknown[]) => {
      if (!["unary", "binary"].includes(name) || ["relu", "reluGradient"].includes(args[0] as string))
        calls.push(`${name} ${JSON.stringify(args.map(textOf))}`);
      return kernel(...args);
    };
    return [name, call];
  });
  return { backend: { ...inner, ...Object.fromEntries(wrapped) }, calls };
}

/** A shape-only backend whose reads succeed. */
const readable = (): Kernels => {
  const inner = createShapeOnlyBackend();
  return { ...inner, readView: (x, view) => Object.assign(inner.readView(x, view), { read: async () => new Float32Array(1) }) };
};

test("a round runs the dominant kernels of a training step of WRN-10-1 on 16 images", async () => {
  const { backend, calls } = recording(readable());
  await timeRound(backend, { clock: () => 0 });
  const step = recording(createShapeOnlyBackend());
  useBackend(step.backend);
  try {
    const network = new WideResNet({ depth: 10, width: 1, classes: 10 }, { random: new Random(0) });
    const parameters = [...network.parameters().values()].map(({ value }) => value);
    step.calls.length = 0;
    const loss = crossEntropy(network.forward(zeros([16, 3, 32, 32]), { training: true }), new Int32Array(16));
    gradients(loss, parameters);
  } finally {
    useBackend(undefined);
  }
  const rounds = 6;
  const expected = step.calls.flatMap((call) => Array<string>(rounds).fill(call));
  expect(calls.sort()).toEqual(expected.sort());
});

/** A clock by which the rounds take these times. */
const clockOf = (times: readonly number[]): (() => number) => {
  let [now, calls] = [1000, 0];
  return () => {
    if (calls++ % 2 === 1) now += times[calls / 2 - 1]!;
    return now;
  };
};

describe("of the clock", () => {
  test("the round that compiles does not count, and of five others the median does", async () => {
    const clock = clockOf([1000, 9, 1, 5, 30, 4]);
    expect(await timeRound(createReferenceBackend(), { work: smallWork, clock })).toBe(5);
  });

  test("the second round ends a hopeless calibration", async () => {
    const clock = clockOf([1, 31]);
    expect(await timeRound(createReferenceBackend(), { work: smallWork, clock, best: 10 })).toBe(31);
  });

  test("a round that is not hopeless is followed by the others", async () => {
    const clock = clockOf([1000, 30, 8, 9, 10, 11]);
    expect(await timeRound(createReferenceBackend(), { work: smallWork, clock, best: 10 })).toBe(10);
  });
});

describe("nothing is left", () => {
  test("after a calibration", async () => {
    const backend = createReferenceBackend();
    expect(await timeRound(backend, { work: smallWork })).toBeGreaterThanOrEqual(0);
    expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
  });

  test("after one that fails", async () => {
    const backend = createReferenceBackend();
    const failing: Kernels = {
      ...backend,
      readView: (x, view) =>
        Object.assign(backend.readView(x, view), {
          read: async () => {
            throw new Error("lost");
          },
        }),
    };
    await expect(timeRound(failing, { work: smallWork })).rejects.toThrow("lost");
    expect(backend.memory()).toMatchObject({ storages: 0, used: 0 });
  });
});

test("two calibrations compute the same", async () => {
  const uploads: number[][] = [[], []];
  for (const upload of uploads) {
    const backend = createReferenceBackend();
    const watch: Kernels["upload"] = (dtype, data) => {
      upload.push(...Array.from(data));
      return backend.upload(dtype, data);
    };
    await timeRound({ ...backend, upload: watch }, { work: smallWork });
  }
  expect(uploads[0]).toEqual(uploads[1]);
  expect(new Set(uploads[0]).size).toBe(uploads[0]!.length);
});
