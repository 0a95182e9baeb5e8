/** Reading and adding at indices. The indices are checked before anything is allocated. */

import type { Storage } from "../../../tensor/storage.ts";
import { viewOf } from "../../host-storage.ts";
import { indexError } from "../../index-error.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { fourByteTypes, hasFourBytes, isFloat32, type Machine, sharedElements } from "./machine.ts";

type Indexing = "gather" | "scatterAdd";

export const indexingAcceptances: Acceptances<Indexing> = {
  gather: { dtypes: fourByteTypes, accepts: (x, indices) => hasFourBytes(x.dtype) && indices.dtype === "int32" },
  scatterAdd: { dtypes: ["float32"], accepts: (y, indices) => isFloat32(y) && indices.dtype === "int32" },
};

export function indexingKernels({ kernels, memory, team }: Machine): Pick<Kernels, Indexing> {
  /** @throws ShapeError for an index outside [0, bound). */
  function checkedPointer(op: Indexing, indices: Storage, bound: number): number {
    const pointer = memory.pointerOf(indices);
    const position = kernels.firstOutside(pointer, indices.length, bound);
    if (position >= 0) throw indexError(op, bound, viewOf(indices)[position]!, position);
    return pointer;
  }
  return {
    gather(x, indices, { outer, axis, inner }) {
      team.check();
      const [source, at] = [memory.pointerOf(x), checkedPointer("gather", indices, axis)];
      const count = indices.length;
      const out = memory.allocate(x.dtype, outer * count * inner);
      if (out.length > 0) kernels.gather(source, at, out.pointer, outer, axis, inner, count, out.length > sharedElements);
      return out;
    },

    scatterAdd(y, indices, { outer, axis, inner }) {
      team.check();
      const [source, at] = [memory.pointerOf(y), checkedPointer("scatterAdd", indices, axis)];
      const out = memory.allocate("float32", outer * axis * inner);
      kernels.fill(out.pointer, out.length, 0, out.length > sharedElements);
      if (y.length > 0) kernels.scatterAdd(source, at, out.pointer, outer, axis, inner, indices.length, y.length > sharedElements);
      return out;
    },
  };
}
