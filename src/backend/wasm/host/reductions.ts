/** Sums and maxima along an axis. */

import type { Kernels } from "../../kernels.ts";
import { allFloat32, type Machine, sharedElements } from "./machine.ts";

export function reductionKernels({ kernels, memory, team }: Machine, reference: Pick<Kernels, "reduce">): Pick<Kernels, "reduce"> {
  return {
    reduce(op, x, split) {
      if (!allFloat32(x)) return reference.reduce(op, x, split);
      team.check();
      const source = memory.pointerOf(x);
      const out = memory.allocate("float32", split.outer * split.inner);
      if (out.length > 0)
        kernels.reduce(op === "max", source, out.pointer, split.outer, split.axis, split.inner, x.length > sharedElements);
      return out;
    },
  };
}
