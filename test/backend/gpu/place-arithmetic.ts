/** Programs of nothing but the arithmetic of places, and numbers for them: for Node's modes and for a page. */

import type { Device } from "../../../src/backend/gpu/device.ts";
import { type Axis, coordinates, type Program, place, program, smallQuotient } from "../../../src/backend/gpu/program.ts";

export const largest = 2 ** 31 - 1;
/** Where floats cannot tell a remainder from the divisor, and at the ends. */
export const hardDivisions: readonly (readonly [number, number])[] = [
  [50331629, 16777210],
  [33554431, 16777216],
  [largest, largest],
  [largest - 1, largest],
  [largest, 1],
  [0, largest],
];

/** A float32 holds numbers of 16 bits, so that a larger one is sent in two. */
const high = (v: number): number => Math.floor(v / 65536);
const low = (v: number): number => v % 65536;
/** The number put together again, as an integer: a local would be a float. */
const whole = (name: string): string => `mad(${name}High[this.thread.x], 65536, ${name}Low[this.thread.x])`;
const halves = (name: string): string[] => [`${name}High`, `${name}Low`];

/** Whether two integers are the same, for each thread: their difference, which is small where they nearly are. */
const difference = (a: string, b: string): string => `return mad(${a}, 1, mad(${b}, -1, 0));`;

export const quotient = program({
  name: "test: idiv",
  tensors: [...halves("a"), ...halves("b"), ...halves("expected")],
  body: difference(`idiv(${whole("a")}, ${whole("b")})`, whole("expected")),
});
export const remainder = program({
  name: "test: imod",
  tensors: [...halves("a"), ...halves("b"), ...halves("expected")],
  body: difference(`imod(${whole("a")}, ${whole("b")})`, whole("expected")),
});
export const small = program({
  name: "test: smallQuotient",
  tensors: ["a", "b"],
  body: `return ${smallQuotient("a[this.thread.x]", "b[this.thread.x]")};`,
});

const axesOf = (rank: number): Axis[] => Array.from({ length: rank }, (_, a) => [`c${a}`, `size${a}`]);
const sizesOf = (rank: number): string[] => axesOf(rank).map(([, size]) => size);

/** The coordinates of a place, and back. */
export const roundTrip = (rank: number): Program => {
  const axes = axesOf(rank) as [Axis, ...Axis[]];
  return program({
    name: `test: coordinates, rank ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axes, whole("at"))}\n${difference(place(axes), whole("at"))}`,
  });
};
export const coordinate = (rank: number, axis: number): Program =>
  program({
    name: `test: coordinate ${axis} of ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axesOf(rank), whole("at"))}\nreturn c${axis};`,
  });

/** What a program gives for inputs of numbers: an array is a tensor, split in halves where the program wants them. */
export async function evaluate(
  device: Device,
  what: Program,
  inputs: Readonly<Record<string, readonly number[] | number>>,
): Promise<number[]> {
  const tensors = Object.entries(inputs).flatMap(([name, values]) => {
    if (typeof values === "number") return [];
    const parts = what.tensors.includes(name) ? { [name]: values } : { [`${name}High`]: values.map(high), [`${name}Low`]: values.map(low) };
    return Object.entries(parts).map(([part, data]) => [part, device.upload("float32", data)] as const);
  });
  const length = (Object.values(inputs).find((values) => typeof values !== "number") as readonly number[]).length;
  const result = device.run(what, length, { ...(inputs as Record<string, number>), ...Object.fromEntries(tensors) });
  const values = [...(await result.read())];
  for (const storage of [result, ...tensors.map(([, tensor]) => tensor)]) storage.release();
  return values;
}

/** How far a device's quotients and remainders are from BigInt's, all pairs together. */
export async function divisionErrors(device: Device, pairs: readonly (readonly [number, number])[]): Promise<number[]> {
  const [a, b] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
  const exact = (of: (a: bigint, b: bigint) => bigint): number[] => pairs.map(([a, b]) => Number(of(BigInt(a), BigInt(b))));
  const quotients = await evaluate(device, quotient, { a, b, expected: exact((a, b) => a / b) });
  const remainders = await evaluate(device, remainder, { a, b, expected: exact((a, b) => a % b) });
  return [...quotients, ...remainders].map(Math.abs);
}
