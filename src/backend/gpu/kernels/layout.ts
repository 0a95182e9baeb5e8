/**
 * Views. Reading one is a gather by strides. Writing one is a gather too: a thread asks of its own place which element of the view it would
 * be, if any. For that the strides must nest, each longer than all that lies within it, as those of slices, permutations, flips, steps and
 * diagonals do; for any others the host lists who goes where.
 */

import { stridesOf as contiguousStrides, sizeOf } from "../../../core/shape.ts";
import type { DType, Storage } from "../../../tensor/storage.ts";
import { joinViewAxes } from "../../join-axes.ts";
import type { Kernels, View } from "../../kernels.ts";
import { forEachElement } from "../../reference/layout.ts";
import type { Device } from "../device.ts";
import { coordinates, type Program, program } from "../program.ts";
import { axesOf, numbered, strided, stridesOf } from "./elementwise.ts";

const sizes = (rank: number): string[] => axesOf(rank).map(([, size]) => size);

const readProgram = (rank: number): Program =>
  program({
    name: `read a view, rank ${rank}`,
    tensors: ["x"],
    integers: [...sizes(rank), ...stridesOf("x", rank), "offset"],
    body: `
    ${coordinates(axesOf(rank))}
    return x[${strided(rank, "x", "offset")}];`,
  });

/** An axis of a written view: its size, its stride > 0 in the target, and its stride in the source, < 0 where the view runs backwards. */
interface WrittenAxis {
  readonly size: number;
  readonly stride: number;
  readonly source: number;
}

/** A view's axes by falling stride, and where its first element in the target stands in target and source; undefined where they don't nest. */
function nested({ shape, strides, offset }: View): { axes: WrittenAxis[]; target: number; source: number } | undefined {
  const steps = contiguousStrides(shape);
  let [target, source] = [offset, 0];
  const axes = shape.flatMap((size, axis): WrittenAxis[] => {
    if (size === 1) return [];
    const [stride, step] = [strides[axis]!, steps[axis]!];
    if (stride > 0) return [{ size, stride, source: step }];
    target += (size - 1) * stride;
    source += (size - 1) * step;
    return [{ size, stride: -stride, source: -step }];
  });
  axes.sort((a, b) => b.stride - a.stride);
  let reach = 0;
  for (const { size, stride } of axes.toReversed()) {
    if (stride <= reach) return undefined;
    reach += (size - 1) * stride;
  }
  return { axes, target, source };
}

/** What stands where the view does not reach. */
type Ground = "fill" | "before";

const grounds = {
  fill: { tensors: [], floats: ["fill"], value: "fill" },
  before: { tensors: ["before"], floats: [], value: "before[this.thread.x]" },
} as const;

/** Takes the place of a thread apart, axis by axis: what remains after the last must be 0. */
const writeProgram = (rank: number, ground: Ground): Program => {
  const { tensors, floats, value } = grounds[ground];
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const remainder = (axis: number): string =>
    axes.slice(0, axis).reduce((rest, a) => `imod(${rest}, target${a})`, "(this.thread.x - offset)");
  return program({
    name: `write a view, rank ${rank}, on ${ground}`,
    tensors: ["source", ...tensors],
    integers: [...sizes(rank), ...stridesOf("target", rank), ...stridesOf("step", rank), "offset", "start"],
    floats: [...floats],
    body: `
    if (this.thread.x < offset) { return ${value}; }
    ${axes.map((a) => `const i${a} = idiv(${remainder(a)}, target${a});\nif (i${a} >= size${a}) { return ${value}; }`).join("\n")}
    if (${remainder(rank)} > 0) { return ${value}; }
    return source[${strided(rank, "step", "start")}];`,
  });
};

/** For any view: the host has listed the source's element for each place, −1 for none. */
const listedProgram = (ground: Ground): Program => {
  const { tensors, floats, value } = grounds[ground];
  return program({
    name: `write a listed view on ${ground}`,
    tensors: ["source", "origin", ...tensors],
    floats: [...floats],
    body: `
    const from = origin[this.thread.x];
    if (from < 0.0) { return ${value}; }
    return source[from];`,
  });
};

function listing(length: number, view: View): Int32Array {
  const origin = new Int32Array(length).fill(-1);
  const contiguous = { shape: view.shape, strides: contiguousStrides(view.shape), offset: 0 };
  forEachElement(view, contiguous, (_, to, from) => {
    origin[to] = from;
  });
  return origin;
}

export const layoutKernels = (device: Device): Pick<Kernels, "readView" | "assemble"> => {
  const full = (dtype: DType, length: number, fill: number): Storage =>
    device.run(program({ name: "full", tensors: [], floats: ["value"], body: "return value;" }), length, { value: fill }, dtype);

  /** The target with one more part written into it. */
  function write(dtype: DType, length: number, source: Storage, view: View, ground: Storage | number): Storage {
    const [kind, below] = typeof ground === "number" ? (["fill", { fill: ground }] as const) : (["before", { before: ground }] as const);
    const found = nested(joinViewAxes(view));
    if (found === undefined) {
      const origin = device.upload("int32", listing(length, view));
      const written = device.run(listedProgram(kind), length, { source, origin, ...below }, dtype);
      origin.release();
      return written;
    }
    const rank = found.axes.length;
    const numbers = {
      ...numbered(
        sizes(rank),
        found.axes.map(({ size }) => size),
      ),
      ...numbered(
        stridesOf("target", rank),
        found.axes.map(({ stride }) => stride),
      ),
      ...numbered(
        stridesOf("step", rank),
        found.axes.map((axis) => axis.source),
      ),
      ...{ offset: found.target, start: found.source },
    };
    return device.run(writeProgram(rank, kind), length, { source, ...below, ...numbers }, dtype);
  }

  return {
    readView(x, view) {
      const { shape, strides, offset } = joinViewAxes(view);
      const rank = Math.max(1, shape.length);
      const numbers = {
        ...numbered(sizes(rank), shape.length === 0 ? [1] : shape),
        ...numbered(stridesOf("x", rank), shape.length === 0 ? [0] : strides),
        offset,
      };
      return device.run(readProgram(rank), sizeOf(view.shape), { x, ...numbers }, x.dtype);
    },

    assemble(dtype, length, fill, parts) {
      let ground: Storage | number = fill;
      for (const { source, view } of parts) {
        device.own(source);
        if (source.length === 0) continue;
        const written = write(dtype, length, source, view, ground);
        if (typeof ground !== "number") ground.release();
        ground = written;
      }
      return typeof ground === "number" ? full(dtype, length, ground) : ground;
    },
  };
};
