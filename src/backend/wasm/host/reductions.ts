/** Sums and maxima along an axis. */

import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";

export const reductionAcceptances: Acceptances<"reduce"> = { reduce: { dtypes: ["float32"], accepts: (_, x) => isFloat32(x) } };

export const reductionKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, "reduce"> => ({
  reduce(op, x, { outer, axis, inner }) {
    team.check();
    const source = memory.pointerOf(x);
    const out = memory.allocate("float32", outer * inner);
    if (out.length > 0) kernels.reduce(op === "max", source, out.pointer, outer, axis, inner, x.length > sharedElements);
    return out;
  },
});
