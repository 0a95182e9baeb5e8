/**
 * y = f(x) and c = f(a, b): one program for each function and each rank of a broadcast. function-bodies.ts has what the functions compute.
 */

import { sizeOf } from "../../../core/shape.ts";
import type { BinaryOp, Broadcast, Kernels, UnaryOp } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { type Axis, coordinates, isNotANumber, type Program, program, programOf } from "../program.ts";
import { binaryBodies, specials, specialsIn, unaryBodies } from "./function-bodies.ts";

const unaryPrograms = Object.fromEntries(
  Object.entries(unaryBodies).map(([op, body]) => [
    op,
    program({ name: `unary ${op}`, tensors: ["x"], floats: specialsIn(body), body: `const v = x[this.thread.x];\n${body}` }),
  ]),
) as Record<UnaryOp, Program>;

/** The axes of a tensor of this rank, with generated names. */
export const axesOf = (rank: number): Axis[] => Array.from({ length: rank }, (_, axis) => [`i${axis}`, `size${axis}`]);
/** The names of the arguments that hold the sizes of these axes. */
export const sizeNames = (rank: number): string[] => axesOf(rank).map(([, size]) => size);

/** The names of the arguments that hold an operand's strides along these axes. */
export const strideNames = (operand: string, rank: number): string[] => Array.from({ length: rank }, (_, axis) => `${operand}${axis}`);

/** `mad(i0, a0, mad(i1, a1, offset))`: the index of an operand's element by strides. `coordinate` is the name of a coordinate. */
export const stridedIndex = (rank: number, operand: string, offset = "0", coordinate = "i"): string =>
  strideNames(operand, rank).reduceRight((inner, stride, axis) => `mad(${coordinate}${axis}, ${stride}, ${inner})`, offset);

const binaryProgram = (op: BinaryOp, rank: number): Program =>
  programOf(`binary ${op}, rank ${rank}`, (name) =>
    program({
      name,
      tensors: ["a", "b"],
      integers: [...sizeNames(rank), ...strideNames("a", rank), ...strideNames("b", rank)],
      floats: specialsIn(binaryBodies[op]),
      body: `
    ${coordinates(axesOf(rank))}
    const u = a[${stridedIndex(rank, "a")}];
    const v = b[${stridedIndex(rank, "b")}];
    ${binaryBodies[op]}`,
    }),
  );

/** f(x, value) where the number is on the right, else f(value, x). */
const numberProgram = (op: BinaryOp, side: "left" | "right"): Program =>
  programOf(`binary ${op}, number on the ${side}`, (name) =>
    program({
      name,
      tensors: ["x"],
      floats: ["value", ...specialsIn(binaryBodies[op])],
      body: `
    const u = ${side === "left" ? "value" : "x[this.thread.x]"};
    const v = ${side === "right" ? "value" : "x[this.thread.x]"};
    ${binaryBodies[op]}`,
    }),
  );

/** The functions that the host computes where both operands are known to it. Each rounds once, as on the device. */
const foldedOps: Partial<Record<BinaryOp, (u: number, v: number) => number>> = {
  add: (u, v) => u + v,
  subtract: (u, v) => u - v,
  multiply: (u, v) => u * v,
  divide: (u, v) => u / v,
};

/** Which operands have an axis of a broadcast: the others repeat along it. */
type AxisOwner = "a" | "b" | "both";

/**
 * The cotangents of a product of two operands in one launch: a thread for each element of ā, and then for each of b̄. A thread sums along
 * the axes that its operand does not have.
 */
const productGradients = (owners: readonly AxisOwner[]): Program =>
  programOf(`multiply: both gradients, axes of ${owners.join(" ")}`, (name) => {
    const rank = owners.length;
    const sizes = sizeNames(rank);
    const section = (operand: "a" | "b", other: "a" | "b", index: string): string => {
      const prefix = `${operand}i`;
      const ownAxes = owners.flatMap((owner, axis): Axis[] => (owner === other ? [] : [[`${prefix}${axis}`, sizes[axis]!]]));
      const place = sizes.reduce((flat, size, axis) => (axis === 0 ? `${prefix}0` : `mad(${flat}, ${size}, ${prefix}${axis})`), "");
      const loops = owners.flatMap((owner, axis) => {
        const at = `${prefix}${axis}`;
        return owner === other ? [`for (let ${at} = 0; ${at} < ${sizes[axis]}; ${at}++) {`] : [];
      });
      // With one axis, the place is a loop's counter, and mad makes an index of it.
      return `
      ${coordinates(ownAxes, index)}
      ${loops.join("\n")}
      total = total + g[mad(${place}, 1, 0)] * ${other}[${stridedIndex(rank, other, "0", prefix)}];
      ${loops.map(() => "}").join("")}
      return total;`;
    };
    return program({
      name,
      tensors: ["a", "b", "g"],
      integers: ["countA", ...sizes, ...strideNames("a", rank), ...strideNames("b", rank)],
      body: `
    let total = 0.0;
    if (this.thread.x < countA) { ${section("a", "b", "this.thread.x")} }
    ${section("b", "a", "(this.thread.x - countA)")}`,
    });
  });

/** The longest sum that one thread should take. */
const longestSum = 1024;

/** The values as arguments of these names. */
export const argumentsOf = (names: readonly string[], values: readonly number[]): Record<string, number> =>
  Object.fromEntries(names.map((name, i) => [name, values[i]!]));

/** Drops axes of size 1, which need no coordinate. A scalar keeps one axis, because a program has at least one. */
function withoutUnitAxes({ shape, stridesA, stridesB }: Broadcast): Broadcast {
  const kept = shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  if (kept.length === 0) return { shape: [1], stridesA: [0], stridesB: [0] };
  return {
    shape: kept.map((axis) => shape[axis]!),
    stridesA: kept.map((axis) => stridesA[axis]!),
    stridesB: kept.map((axis) => stridesB[axis]!),
  };
}

const accumulateProgram = program({
  name: "accumulate",
  tensors: ["target", "x"],
  body: "return target[this.thread.x] + x[this.thread.x];",
});

const selectProgram = program({
  name: "select",
  tensors: ["condition", "a", "b"],
  body: `
    if (condition[this.thread.x] == 0.0) { return b[this.thread.x]; }
    return a[this.thread.x];`,
});

const clampProgram = program({
  name: "clamp",
  tensors: ["x"],
  floats: ["low", "high"],
  body: `
    const v = x[this.thread.x];
    // Compilers turn the comparisons alone into min(max(v, low), high), which loses NaN.
    if (${isNotANumber("v")}) { return v; }
    if (v <= low) { return low; }
    if (v > high) { return high; }
    return v;`,
});

type ElementwiseKernels = Pick<Kernels, "unary" | "binary" | "multiplyGradient" | "accumulate" | "select" | "clamp">;

export const elementwiseKernels = (device: Device): ElementwiseKernels => ({
  unary(op, x) {
    const { constant } = device.own(x);
    if (op === "negate" && constant !== undefined) return device.full(x.dtype, x.length, -constant);
    return device.run(unaryPrograms[op], x.length, { x, ...specials }, x.dtype);
  },

  binary(op, a, b, broadcast) {
    const { shape, stridesA, stridesB } = withoutUnitAxes(broadcast);
    const rank = shape.length;
    const length = sizeOf(broadcast.shape);
    const [left, right] = [device.own(a).constant, device.own(b).constant];
    const fold = foldedOps[op];
    if (left !== undefined && right !== undefined && fold !== undefined) return device.full(a.dtype, length, fold(left, right));
    // A number is an argument of the program, and no tensor, where the other operand is read in order.
    if (right !== undefined && a.length === length && rank === 1 && (length === 1 || stridesA[0] === 1))
      return device.run(numberProgram(op, "right"), length, { x: a, value: right, ...specials }, a.dtype);
    if (left !== undefined && b.length === length && rank === 1 && (length === 1 || stridesB[0] === 1))
      return device.run(numberProgram(op, "left"), length, { x: b, value: left, ...specials }, a.dtype);
    const sizes = {
      ...argumentsOf(sizeNames(rank), shape),
      ...argumentsOf(strideNames("a", rank), stridesA),
      ...argumentsOf(strideNames("b", rank), stridesB),
    };
    return device.run(binaryProgram(op, rank), length, { a, b, ...sizes, ...specials }, a.dtype);
  },

  multiplyGradient(a, b, g, broadcast) {
    const { shape, stridesA, stridesB } = withoutUnitAxes(broadcast);
    const owners = shape.map((_, axis): AxisOwner => (stridesA[axis] === 0 ? "b" : stridesB[axis] === 0 ? "a" : "both"));
    const termsAlong = (owner: AxisOwner): number => sizeOf(shape.filter((_, axis) => owners[axis] === owner));
    const isKnown = device.own(a).constant !== undefined || device.own(b).constant !== undefined;
    if (isKnown || g.length === 0 || Math.max(termsAlong("a"), termsAlong("b")) > longestSum) return undefined;
    if (a.length + b.length > device.maximumElements) return undefined;
    return device.runAll(
      productGradients(owners),
      { a: a.length, b: b.length },
      {
        ...{ a, b, g, countA: a.length },
        ...argumentsOf(sizeNames(shape.length), shape),
        ...argumentsOf(strideNames("a", shape.length), stridesA),
        ...argumentsOf(strideNames("b", shape.length), stridesB),
      },
    );
  },

  accumulate: (target, x) => device.update(target, accumulateProgram, { target, x }),

  select: (condition, a, b) => device.run(selectProgram, a.length, { condition, a, b }, a.dtype),

  clamp: (x, low, high) => device.run(clampProgram, x.length, { x, low, high }, x.dtype),
});
