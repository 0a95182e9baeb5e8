/** Programs that test the arithmetic of indices, and operands for them. The modes of Node and the browser page use the same ones. */

import type { Device } from "../../../src/backend/gpu/device.ts";
import { type Axis, coordinates, flatIndex, type Program, program, smallQuotient } from "../../../src/backend/gpu/program.ts";

/** The largest int32. */
export const largest = 2 ** 31 - 1;

/** Pairs [a, b] whose remainder and divisor round to one float, and pairs at the ends of the range. */
export const hardDivisions: readonly (readonly [number, number])[] = [
  [50331629, 16777210],
  [33554431, 16777216],
  [largest, largest],
  [largest - 1, largest],
  [largest, 1],
  [0, largest],
];

/** Uploads are float32, exact up to 2²⁴ only, so an integer is sent as two halves of 16 bits. */
const high = (v: number): number => Math.floor(v / 65536);
const low = (v: number): number => v % 65536;
/** The integer from its halves. It is an expression and not a local variable, because local variables are floats. */
const whole = (name: string): string => `mad(${name}High[this.thread.x], 65536, ${name}Low[this.thread.x])`;
const halves = (name: string): string[] => [`${name}High`, `${name}Low`];

/** a − b, computed with integers, so that a small difference of large numbers is exact. */
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

/** The index of the coordinates of an index, minus the index: 0 if the two functions are inverse. */
export const roundTrip = (rank: number): Program => {
  const axes = axesOf(rank) as [Axis, ...Axis[]];
  return program({
    name: `test: coordinates, rank ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axes, whole("at"))}\n${difference(flatIndex(axes), whole("at"))}`,
  });
};
export const coordinate = (rank: number, axis: number): Program =>
  program({
    name: `test: coordinate ${axis} of ${rank}`,
    tensors: halves("at"),
    integers: sizesOf(rank),
    body: `${coordinates(axesOf(rank), whole("at"))}\nreturn c${axis};`,
  });

/** Runs a program. An array among the inputs becomes a tensor, or the two tensors of its halves if the program has those. */
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

/** The errors of a device's quotients and remainders, computed with BigInt. */
export async function divisionErrors(device: Device, pairs: readonly (readonly [number, number])[]): Promise<number[]> {
  const [a, b] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
  const exact = (of: (a: bigint, b: bigint) => bigint): number[] => pairs.map(([a, b]) => Number(of(BigInt(a), BigInt(b))));
  const quotients = await evaluate(device, quotient, { a, b, expected: exact((a, b) => a / b) });
  const remainders = await evaluate(device, remainder, { a, b, expected: exact((a, b) => a % b) });
  return [...quotients, ...remainders].map(Math.abs);
}
