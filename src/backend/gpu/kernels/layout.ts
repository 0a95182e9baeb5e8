/**
 * Views. Reading a view is a gather by strides. Writing one is a gather too: the thread of each target element finds the element of the
 * view that belongs there, if any. This is possible where the strides nest, which means that each is longer than everything within it;
 * slices, permutations, flips, steps and diagonals have such strides. For any other view the host lists the element for each index of the
 * target.
 */

import { stridesOf as contiguousStrides, sizeOf } from "../../../core/shape.ts";
import type { DType, Storage } from "../../../tensor/storage.ts";
import { joinViewAxes } from "../../join-axes.ts";
import type { Kernels, View } from "../../kernels.ts";
import { forEachElement } from "../../reference/layout.ts";
import type { Device } from "../device.ts";
import { coordinates, type Program, program } from "../program.ts";
import { argumentsOf, axesOf, sizeNames, stridedIndex, strideNames } from "./elementwise.ts";

const readProgram = (rank: number): Program =>
  program({
    name: `read a view, rank ${rank}`,
    tensors: ["x"],
    integers: [...sizeNames(rank), ...strideNames("x", rank), "offset"],
    body: `
    ${coordinates(axesOf(rank))}
    return x[${stridedIndex(rank, "x", "offset")}];`,
  });

/** Whether a view whose axes are joined has elements that follow one another. */
const isInOrder = ({ shape, strides }: View): boolean => shape.length === 0 || (shape.length === 1 && strides[0] === 1);

/** An axis of a view that is written. */
interface WrittenAxis {
  readonly size: number;
  /** The stride in the target, always positive. */
  readonly targetStride: number;
  /** The stride in the source, negative where the view runs backwards. */
  readonly sourceStride: number;
}

/** A view with nested strides: its axes by falling stride, and the indices of its lowest element in target and source. */
interface NestedView {
  readonly axes: readonly WrittenAxis[];
  readonly targetOffset: number;
  readonly sourceOffset: number;
}

/** Undefined where the strides do not nest. */
function nestedView({ shape, strides, offset }: View): NestedView | undefined {
  const contiguous = contiguousStrides(shape);
  let [targetOffset, sourceOffset] = [offset, 0];
  const axes = shape.flatMap((size, axis): WrittenAxis[] => {
    if (size === 1) return [];
    const [targetStride, sourceStride] = [strides[axis]!, contiguous[axis]!];
    if (targetStride > 0) return [{ size, targetStride, sourceStride }];
    targetOffset += (size - 1) * targetStride;
    sourceOffset += (size - 1) * sourceStride;
    return [{ size, targetStride: -targetStride, sourceStride: -sourceStride }];
  });
  axes.sort((a, b) => b.targetStride - a.targetStride);
  let reach = 0;
  for (const { size, targetStride } of axes.toReversed()) {
    if (targetStride <= reach) return undefined;
    reach += (size - 1) * targetStride;
  }
  return { axes, targetOffset, sourceOffset };
}

/** The elements that the view does not cover: a constant, or those of a tensor. */
type Background = "constant" | "tensor";

const backgrounds = {
  constant: { tensors: [], floats: ["fill"], value: "fill" },
  tensor: { tensors: ["before"], floats: [], value: "before[this.thread.x]" },
} as const;

/** Divides the index of a thread by the strides, one axis after the other. The remainder after the last axis must be 0. */
const writeProgram = (rank: number, background: Background): Program => {
  const { tensors, floats, value } = backgrounds[background];
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const remainder = (axis: number): string =>
    axes.slice(0, axis).reduce((rest, a) => `imod(${rest}, target${a})`, "(this.thread.x - targetOffset)");
  return program({
    name: `write a view, rank ${rank}, on a ${background}`,
    tensors: ["source", ...tensors],
    integers: [...sizeNames(rank), ...strideNames("target", rank), ...strideNames("step", rank), "targetOffset", "sourceOffset"],
    floats: [...floats],
    body: `
    if (this.thread.x < targetOffset) { return ${value}; }
    ${axes.map((a) => `const i${a} = idiv(${remainder(a)}, target${a});\nif (i${a} >= size${a}) { return ${value}; }`).join("\n")}
    if (${remainder(rank)} > 0) { return ${value}; }
    return source[${stridedIndex(rank, "step", "sourceOffset")}];`,
  });
};

/** Writes any view: `origins` holds the index of the source's element for each target element, or −1 for none. */
const listedProgram = (background: Background): Program => {
  const { tensors, floats, value } = backgrounds[background];
  return program({
    name: `write a listed view on a ${background}`,
    tensors: ["source", "origins", ...tensors],
    floats: [...floats],
    body: `
    const origin = origins[this.thread.x];
    if (origin < 0.0) { return ${value}; }
    return source[origin];`,
  });
};

function listOrigins(length: number, view: View): Int32Array {
  const origins = new Int32Array(length).fill(-1);
  const source = { shape: view.shape, strides: contiguousStrides(view.shape), offset: 0 };
  forEachElement(view, source, (_, to, from) => {
    origins[to] = from;
  });
  return origins;
}

export const layoutKernels = (device: Device): Pick<Kernels, "readView" | "assemble"> => {
  /** The target with one more part written into it. */
  function write(dtype: DType, length: number, source: Storage, view: View, before: Storage | number): Storage {
    const background: Background = typeof before === "number" ? "constant" : "tensor";
    const inputs = typeof before === "number" ? { source, fill: before } : { source, before };
    const nested = nestedView(joinViewAxes(view));
    if (nested === undefined) {
      const origins = device.upload("int32", listOrigins(length, view));
      const written = device.run(listedProgram(background), length, { ...inputs, origins }, dtype);
      origins.release();
      return written;
    }
    const { axes, targetOffset, sourceOffset } = nested;
    const rank = axes.length;
    const sizes = axes.map(({ size }) => size);
    const targetStrides = axes.map(({ targetStride }) => targetStride);
    const sourceStrides = axes.map(({ sourceStride }) => sourceStride);
    const layout = {
      ...argumentsOf(sizeNames(rank), sizes),
      ...argumentsOf(strideNames("target", rank), targetStrides),
      ...argumentsOf(strideNames("step", rank), sourceStrides),
    };
    return device.run(writeProgram(rank, background), length, { ...inputs, ...layout, targetOffset, sourceOffset }, dtype);
  }

  return {
    readView(x, view) {
      const { constant } = device.own(x);
      if (constant !== undefined) return device.full(x.dtype, sizeOf(view.shape), constant);
      const joined = joinViewAxes(view);
      if (isInOrder(joined)) {
        const shared = device.share(x, joined.offset, sizeOf(view.shape));
        if (shared !== undefined) return shared;
      }
      // A program has at least one axis.
      const { shape, strides } = joined.shape.length === 0 ? { shape: [1], strides: [0] } : joined;
      const rank = shape.length;
      const layout = { ...argumentsOf(sizeNames(rank), shape), ...argumentsOf(strideNames("x", rank), strides) };
      return device.run(readProgram(rank), sizeOf(view.shape), { x, ...layout, offset: joined.offset }, x.dtype);
    },

    assemble(dtype, length, fill, parts) {
      let assembled: Storage | number = fill;
      for (const { source, view } of parts) {
        device.own(source);
        if (source.length === 0) continue;
        const joined = joinViewAxes(view);
        if (source.length === length && source.dtype === dtype && isInOrder(joined)) {
          const shared = device.share(source, 0, length);
          if (shared !== undefined) return shared; // The views do not overlap, so no other part has an element.
        }
        const written = write(dtype, length, source, view, assembled);
        if (typeof assembled !== "number") assembled.release();
        assembled = written;
      }
      return typeof assembled === "number" ? device.full(dtype, length, assembled) : assembled;
    },
  };
};
