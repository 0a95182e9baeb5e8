/**
 * Steps of SGD and Adam on a device, one after the other, compared with the reference. Between the steps parameters are overwritten, read,
 * frozen and freed, so that they come to lie together, and no longer do.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../../src/backend/gpu/device.ts";
import { deviceKernels } from "../../../src/backend/gpu/gpu-backend.ts";
import type { Kernels } from "../../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { seeds, valuesOf } from "../../arbitraries/values.ts";
import { availability } from "./available-mode.ts";
import { openDevice } from "./open-device.ts";

type Updates = Pick<Kernels, "upload" | "write" | "accumulate" | "sgdUpdate" | "adamUpdate">;

/** A parameter with two states, of which SGD uses the first. */
interface Trained {
  readonly states: readonly Storage[];
  step: number;
}

const moves = fc.array(
  fc.record({
    kind: fc.constantFrom("step", "step", "step", "write", "accumulate"),
    /** Which parameters take part, as bits. */
    members: fc.integer({ min: 1, max: 2 ** 12 - 1 }),
  }),
  { minLength: 2, maxLength: 8 },
);
const cases = fc.record({
  seed: seeds,
  lengths: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 }),
  moves,
  optimizer: fc.constantFrom("sgd", "nesterov", "plain", "adam"),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

/** Makes the moves on a backend. The result has all states, one parameter after the other. */
async function train(k: Updates, dtype: "float32" | "float64", { seed, lengths, moves: all, optimizer }: Case): Promise<number[]> {
  const trained = lengths.map(
    (length, i): Trained => ({ states: [0, 1, 2].map((s) => k.upload(dtype, valuesOf(seed + 3 * i + s, length, "positive"))), step: 0 }),
  );
  let isFirst = true;
  for (const [m, { kind, members }] of all.entries()) {
    const chosen = trained.filter((_, i) => (members >> i) & 1);
    const numbers = chosen.map(({ states }, i) => valuesOf(seed + 100 * (m + 1) + i, states[0]!.length));
    const gradients = numbers.map((values) => k.upload(dtype, values));
    if (kind === "write") for (const [i, { states }] of chosen.entries()) k.write(states[0]!, numbers[i]!);
    else if (kind === "accumulate") for (const [i, { states }] of chosen.entries()) k.accumulate(states[0]!, gradients[i]!);
    else if (optimizer === "adam") {
      const entries = chosen.map((each, i) => ({
        ...{ parameter: each.states[0]!, mean: each.states[1]!, square: each.states[2]!, gradient: gradients[i]! },
        ...{ learningRate: 0.01 * (i + 1), weightDecay: 0.1 * i, step: ++each.step },
      }));
      k.adamUpdate(entries, { beta1: 0.9, beta2: 0.99, epsilon: 1e-4, decoupled: m % 2 === 0 });
    } else {
      const momentum = optimizer === "plain" ? 0 : 0.5;
      const entries = chosen.map(({ states }, i) => ({
        ...{ parameter: states[0]!, momentum: momentum === 0 ? undefined : states[1], gradient: gradients[i]! },
        ...{ learningRate: 0.1 * (i + 1), weightDecay: 0.1 * i },
      }));
      k.sgdUpdate(entries, { momentum, nesterov: optimizer === "nesterov", first: isFirst });
      isFirst = false;
    }
    for (const gradient of gradients) gradient.release();
  }
  const read = await Promise.all(trained.flatMap(({ states }) => states.map((state) => state.read())));
  for (const { states } of trained) for (const state of states) state.release();
  return read.flatMap((values) => Array.from(values));
}

describe.each([await availability("cpu"), await availability("webgpu")])("on $title", ({ mode, missing }) => {
  describe.skipIf(missing !== undefined)("", () => {
    let roomy: Device;
    let narrow: Device;
    beforeAll(async () => {
      roomy = await openDevice(mode);
      // Some parameters and their states fit in no common buffer.
      narrow = await openDevice(mode, { maximumElements: 12 });
    });
    afterAll(() => {
      roomy?.close();
      narrow?.close();
    });

    test.each(["roomy", "narrow"])("any steps, with anything between them, on a %s device", async (which) => {
      const device = which === "roomy" ? roomy : narrow;
      await fc.assert(
        fc.asyncProperty(cases, async (drawn) => {
          const expected = await train(createReferenceBackend(), "float64", drawn);
          const got = await train(deviceKernels(device) as Updates, "float32", drawn);
          // At most eight steps of about ten roundings each. Their terms are at most some tens, and Adam divides by no less than 0.01.
          for (const [i, value] of expected.entries()) expect(Math.abs(got[i]! - value)).toBeLessThan(1e-4 * (1 + Math.abs(value)));
          await device.fence();
          expect(device.memory).toMatchObject({ storages: 0, used: 0 });
          expect(device.counters.handles).toBe(1); // That of the placeholder for empty tensors.
        }),
        { numRuns: mode === "cpu" ? 60 : 15 },
      );
    });

    test("from the second step on, five parameters with momenta take one launch", async () => {
      const k = deviceKernels(roomy);
      const states = Array.from({ length: 12 }, (_, i) => [k.upload("float32", valuesOf(i, 3)), k.full("float32", 3, 0)] as const);
      const gradient = k.upload("float32", [1, 2, 3]);
      const launches = [0, 1, 2].map((step) => {
        const before = roomy.counters.launches;
        const entries = states.map(([parameter, momentum]) => ({ parameter, momentum, gradient, learningRate: 0.1, weightDecay: 0 }));
        k.sgdUpdate(entries, { momentum: 0.9, nesterov: false, first: step === 0 });
        return roomy.counters.launches - before;
      });
      // The first step brings the parameters of each launch together, and makes zeros of their momenta.
      expect(launches).toEqual([9, 3, 3]);
      for (const storage of [...states.flat(), gradient]) storage.release();
    });
  });
});
