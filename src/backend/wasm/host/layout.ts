/**
 * Strided copies: a view becomes rows along its last axis. The copying kernels move four-byte elements, so they serve float32 and int32.
 */

import { sizeOf } from "../../../core/shape.ts";
import { joinViewAxes } from "../../join-axes.ts";
import type { Kernels, View } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { maximumRank } from "../shared/sizes.ts";
import { writeAxisLists } from "./axis-lists.ts";
import { fourByteTypes, hasFourBytes, type Machine, sharedElements } from "./machine.ts";

type Layout = "readView" | "assemble" | "full";

/** Joining axes never raises the rank, so views of low rank, which are nearly all, are not joined here. */
const ranksFit = (view: View): boolean => view.shape.length <= maximumRank || joinViewAxes(view).shape.length <= maximumRank;

export const layoutAcceptances: Acceptances<Layout> = {
  readView: { dtypes: fourByteTypes, maximumRank, accepts: ({ dtype }, view) => hasFourBytes(dtype) && ranksFit(view) },
  assemble: {
    dtypes: fourByteTypes,
    maximumRank,
    accepts: (dtype, _length, _fill, parts) => hasFourBytes(dtype) && parts.every(({ view }) => ranksFit(view)),
  },
  full: { dtypes: ["float32"], accepts: (dtype) => dtype === "float32" },
};

export function layoutKernels({ kernels, memory, team }: Machine): Pick<Kernels, Layout> {
  /** Copies between the contiguous elements at `packed` and the view of the storage at `strided`: into the view where `write` is set. */
  const move = (write: boolean, packed: number, strided: number, { shape, strides, offset }: View): void => {
    const sizes = shape.slice(0, -1);
    writeAxisLists(memory, sizes, strides.slice(0, -1));
    const rows = sizeOf(sizes);
    const inner = shape.at(-1) ?? 1;
    kernels.moveView(write, packed, strided + offset * 4, inner, rows, strides.at(-1) ?? 1, sizes.length, rows * inner > sharedElements);
  };

  return {
    readView(x, view) {
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate(x.dtype, sizeOf(view.shape));
      if (out.length > 0) move(false, out.pointer, source, joinViewAxes(view));
      return out;
    },

    assemble(dtype, length, fill, parts) {
      team.check();
      const sources = parts.map(({ source }) => memory.pointerOf(source));
      const out = memory.allocate(dtype, length);
      const covered = parts.reduce((total, { source }) => total + source.length, 0);
      // The parts do not overlap. So nothing is left to fill when their lengths add up to the whole length.
      if (covered < length) dtype === "float32" ? kernels.fill(out.pointer, length, fill, length > sharedElements) : out.view.fill(fill);
      for (const [i, { source, view }] of parts.entries()) if (source.length > 0) move(true, sources[i]!, out.pointer, joinViewAxes(view));
      return out;
    },

    full(dtype, length, value) {
      team.check();
      const out = memory.allocate(dtype, length);
      if (length > 0) kernels.fill(out.pointer, length, value, length > sharedElements);
      return out;
    },
  };
}
