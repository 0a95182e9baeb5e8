/** The arithmetic of places, held against BigInt where float32 has long given up: as the modes themselves compute it. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../../../src/backend/gpu/device.ts";
import { type Axis, coordinates, type Program, place, program, smallQuotient } from "../../../src/backend/gpu/program.ts";
import { availability } from "./available-mode.ts";
import { openDevice } from "./open-device.ts";

const largest = 2 ** 31 - 1;
/** A float32 holds numbers of 16 bits, so that a larger one is sent in two. */
const high = (v: number): number => Math.floor(v / 65536);
const low = (v: number): number => v % 65536;
/** The number put together again, as an integer: a local would be a float. */
const whole = (name: string): string => `mad(${name}High[this.thread.x], 65536, ${name}Low[this.thread.x])`;
const halves = (name: string): string[] => [`${name}High`, `${name}Low`];

/** Whether two integers are the same, for each thread: their difference, which is small where they nearly are. */
const difference = (a: string, b: string): string => `return mad(${a}, 1, mad(${b}, -1, 0));`;

const quotient = program({
  name: "test: idiv",
  tensors: [...halves("a"), ...halves("b"), ...halves("expected")],
  body: difference(`idiv(${whole("a")}, ${whole("b")})`, whole("expected")),
});
const remainder = program({
  name: "test: imod",
  tensors: [...halves("a"), ...halves("b"), ...halves("expected")],
  body: difference(`imod(${whole("a")}, ${whole("b")})`, whole("expected")),
});
const small = program({
  name: "test: smallQuotient",
  tensors: ["a", "b"],
  body: `return ${smallQuotient("a[this.thread.x]", "b[this.thread.x]")};`,
});

const axesOf = (rank: number): Axis[] => Array.from({ length: rank }, (_, a) => [`c${a}`, `size${a}`]);
const sizesOf = (rank: number): string[] => axesOf(rank).map(([, size]) => size);

/** The coordinates of a place, and back. */
const roundTrip = (rank: number): Program => {
  const axes = axesOf(rank) as [Axis, ...Axis[]];
  return program({
    name: `test: coordinates, rank ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axes, whole("at"))}\n${difference(place(axes), whole("at"))}`,
  });
};
const coordinate = (rank: number, axis: number): Program =>
  program({
    name: `test: coordinate ${axis} of ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axesOf(rank), whole("at"))}\nreturn c${axis};`,
  });

/** Numbers of all magnitudes, and those around which rounding errs: multiples of the divisor and their neighbours. */
const magnitude = (bits: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: bits }).chain((b) => fc.integer({ min: Math.floor(2 ** (b - 1)), max: Math.min(2 ** b - 1, largest) }));
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

    /** What a program gives for inputs of numbers: an array is a tensor, split in halves where the program wants them. */
    async function evaluate(what: Program, inputs: Readonly<Record<string, readonly number[] | number>>): Promise<number[]> {
      const tensors = Object.entries(inputs).flatMap(([name, values]) => {
        if (typeof values === "number") return [];
        const parts = what.tensors.includes(name)
          ? { [name]: values }
          : { [`${name}High`]: values.map(high), [`${name}Low`]: values.map(low) };
        return Object.entries(parts).map(([part, data]) => [part, device.upload("float32", data)] as const);
      });
      const length = (Object.values(inputs).find((values) => typeof values !== "number") as readonly number[]).length;
      const result = device.run(what, length, { ...(inputs as Record<string, number>), ...Object.fromEntries(tensors) });
      const values = [...(await result.read())];
      for (const storage of [result, ...tensors.map(([, tensor]) => tensor)]) storage.release();
      return values;
    }

    test("idiv and imod are exact up to 2³¹", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(division, { minLength: 300, maxLength: 300 }), async (drawn) => {
          // Where floats cannot tell a remainder from the divisor.
          const pairs = [...drawn, [50331629, 16777210], [33554431, 16777216], [largest, largest], [largest, 1]] as const;
          const [a, b] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
          const exact = (of: (a: bigint, b: bigint) => bigint): number[] => pairs.map(([a, b]) => Number(of(BigInt(a), BigInt(b))));
          const zeros = pairs.map(() => 0);
          const quotients = await evaluate(quotient, { a, b, expected: exact((a, b) => a / b) });
          expect(quotients.map(Math.abs)).toEqual(zeros);
          const remainders = await evaluate(remainder, { a, b, expected: exact((a, b) => a % b) });
          expect(remainders.map(Math.abs)).toEqual(zeros);
        }),
        { numRuns: 15, endOnFailure: true },
      );
    });

    test("smallQuotient is exact below 2²²", async () => {
      const pair = fc.tuple(magnitude(22), fc.integer({ min: 1, max: 2 ** 22 - 1 }));
      await fc.assert(
        fc.asyncProperty(fc.array(pair, { minLength: 300, maxLength: 300 }), async (pairs) => {
          const got = await evaluate(small, { a: pairs.map(([a]) => a), b: pairs.map(([, b]) => b) });
          expect(got).toEqual(pairs.map(([a, b]) => Number(BigInt(a) / BigInt(b))));
        }),
        { numRuns: 10 },
      );
    });

    test("place undoes coordinates, and each coordinate is the one of a row-major tensor", async () => {
      await fc.assert(
        fc.asyncProperty(
          sizes,
          fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 50, maxLength: 50 }),
          async (shape, parts) => {
            const count = shape.reduce((product, size) => product * size, 1);
            const at = [0, count - 1, ...parts.map((part) => Math.min(Math.floor(part * count), count - 1))];
            const named = Object.fromEntries(shape.map((size, a) => [`size${a}`, size]));
            expect((await evaluate(roundTrip(shape.length), { at, ...named })).map(Math.abs)).toEqual(at.map(() => 0));
            for (const [axis, size] of shape.entries()) {
              const inner = shape.slice(axis + 1).reduce((product, other) => product * BigInt(other), 1n);
              const expected = at.map((place) => Number((BigInt(place) / inner) % BigInt(size)));
              expect(await evaluate(coordinate(shape.length, axis), { at, ...named })).toEqual(expected);
            }
          },
        ),
        { numRuns: 15 },
      );
    });
  });
});
