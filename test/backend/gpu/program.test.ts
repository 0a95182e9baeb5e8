/** The arithmetic of indices in each mode, compared with BigInt, also where float32 is no longer exact. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../../src/backend/gpu/device.ts";
import { availability } from "./available-mode.ts";
import { coordinate, divisionErrors, evaluate, hardDivisions, largest, roundTrip, small } from "./index-arithmetic.ts";
import { openDevice } from "./open-device.ts";

/** Integers of up to this many bits, with every number of bits equally likely. */
const magnitude = (bits: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: bits }).chain((b) => fc.integer({ min: Math.floor(2 ** (b - 1)), max: Math.min(2 ** b - 1, largest) }));
/** Pairs [a, b]. In half of them a is a multiple of b or a neighbour of one, where a rounded quotient is most likely wrong. */
const division = magnitude(31)
  .map((b) => Math.max(b, 1))
  .chain((b) =>
    fc.tuple(
      fc.oneof(
        magnitude(31),
        fc
          .tuple(fc.integer({ min: 0, max: Math.floor(largest / b) }), fc.integer({ min: -1, max: 1 }))
          .map(([times, beside]) => Math.min(Math.max(times * b + beside, 0), largest)),
      ),
      fc.constant(b),
    ),
  );
const sizes = fc
  .array(fc.integer({ min: 1, max: 4000 }), { minLength: 1, maxLength: 4 })
  .filter((list) => list.reduce((product, size) => product * size, 1) <= largest);

describe.each([await availability("cpu"), await availability("webgpu"), await availability("webasm")])("on $title", ({ mode, missing }) => {
  describe.skipIf(missing !== undefined)("", () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice(mode);
    });
    afterAll(() => device?.close());

    test("idiv and imod are exact up to 2³¹", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(division, { minLength: 300, maxLength: 300 }), async (drawn) => {
          const pairs = [...drawn, ...hardDivisions];
          expect(await divisionErrors(device, pairs)).toEqual([...pairs, ...pairs].map(() => 0));
        }),
        { numRuns: 15, endOnFailure: true },
      );
    });

    test("smallQuotient is exact below 2²²", async () => {
      const pair = fc.tuple(magnitude(22), fc.integer({ min: 1, max: 2 ** 22 - 1 }));
      await fc.assert(
        fc.asyncProperty(fc.array(pair, { minLength: 300, maxLength: 300 }), async (pairs) => {
          const got = await evaluate(device, small, { a: pairs.map(([a]) => a), b: pairs.map(([, b]) => b) });
          expect(got).toEqual(pairs.map(([a, b]) => Number(BigInt(a) / BigInt(b))));
        }),
        { numRuns: 10 },
      );
    });

    test("flatIndex is the inverse of coordinates, and each coordinate is that of a row-major tensor", async () => {
      await fc.assert(
        fc.asyncProperty(
          sizes,
          fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 50, maxLength: 50 }),
          async (shape, parts) => {
            const count = shape.reduce((product, size) => product * size, 1);
            const at = [0, count - 1, ...parts.map((part) => Math.min(Math.floor(part * count), count - 1))];
            const named = Object.fromEntries(shape.map((size, a) => [`size${a}`, size]));
            expect((await evaluate(device, roundTrip(shape.length), { at, ...named })).map(Math.abs)).toEqual(at.map(() => 0));
            for (const [axis, size] of shape.entries()) {
              const inner = shape.slice(axis + 1).reduce((product, other) => product * BigInt(other), 1n);
              const expected = at.map((place) => Number((BigInt(place) / inner) % BigInt(size)));
              expect(await evaluate(device, coordinate(shape.length, axis), { at, ...named })).toEqual(expected);
            }
          },
        ),
        { numRuns: 15 },
      );
    });
  });
});
