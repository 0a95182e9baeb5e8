/** Strided copies: a view becomes rows along its last axis. The kernels move four-byte elements, so float32 and int32 alike. */

import type { DType } from "../../../tensor/storage.ts";
import { joinAxes } from "../../join-axes.ts";
import type { Kernels, View } from "../../kernels.ts";
import { type Machine, sharedElements } from "./machine.ts";

type Layout = "readView" | "assemble" | "full";

const maximumRank = 8;
const fourBytes = (dtype: DType): boolean => dtype !== "float64";

export function layoutKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, Layout>): Pick<Kernels, Layout> {
  const move = (write: boolean, packed: number, base: number, { shape, strides, offset }: View): void => {
    const [sizes, steps] = [shape.slice(0, -1), strides.slice(0, -1)];
    const axes = new Int32Array(memory.wasm.buffer, kernels.viewAxes(), 2 * maximumRank);
    axes.set(sizes);
    axes.set(steps, maximumRank);
    const rows = sizes.reduce((product, size) => product * size, 1);
    const inner = shape.at(-1) ?? 1;
    kernels.moveView(write, packed, base + offset * 4, inner, rows, strides.at(-1) ?? 1, sizes.length, rows * inner > sharedElements);
  };

  return {
    readView(x, view) {
      const joined = joinAxes(view);
      if (!fourBytes(x.dtype) || joined.shape.length > maximumRank) return reference.readView(x, view);
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate(
        x.dtype,
        view.shape.reduce((product, size) => product * size, 1),
      );
      if (out.length > 0) move(false, out.pointer, source, joined);
      return out;
    },

    assemble(dtype, length, fill, parts) {
      const joined = parts.map(({ source, view }) => ({ source, view: joinAxes(view) }));
      if (!fourBytes(dtype) || joined.some(({ view }) => view.shape.length > maximumRank))
        return reference.assemble(dtype, length, fill, parts);
      team.check();
      const sources = joined.map(({ source }) => memory.pointerOf(source));
      const out = memory.allocate(dtype, length);
      const covered = joined.reduce((total, { source }) => total + source.length, 0);
      // Parts don't overlap, so when they add up to the whole nothing is left to fill.
      if (covered < length) dtype === "float32" ? kernels.fill(out.pointer, length, fill, length > sharedElements) : out.view.fill(fill);
      joined.forEach(({ source, view }, i) => {
        if (source.length > 0) move(true, sources[i]!, out.pointer, view);
      });
      return out;
    },

    full(dtype, length, value) {
      if (dtype !== "float32") return reference.full(dtype, length, value);
      team.check();
      const out = memory.allocate(dtype, length);
      if (length > 0) kernels.fill(out.pointer, length, value, length > sharedElements);
      return out;
    },
  };
}
