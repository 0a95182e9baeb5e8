/** Sums, maxima and their positions along an axis. */

import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";

type Reduction = "reduce" | "argmax";

export const reductionAcceptances: Acceptances<Reduction> = {
  reduce: { dtypes: ["float32"], accepts: (_, x) => isFloat32(x) },
  argmax: { dtypes: ["float32"], accepts: isFloat32 },
};

export const reductionKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, Reduction> => ({
  reduce(op, x, { outer, axis, inner }) {
    team.check();
    const source = memory.pointerOf(x);
    const out = memory.allocate("float32", outer * inner);
    if (out.length > 0) kernels.reduce(op === "max", source, out.pointer, outer, axis, inner, x.length > sharedElements);
    return out;
  },

  argmax(x, { outer, axis, inner }) {
    team.check();
    const source = memory.pointerOf(x);
    const out = memory.allocate("int32", outer * inner);
    if (axis === 0) out.view.fill(0);
    else if (out.length > 0) kernels.argmax(source, out.pointer, outer, axis, inner, x.length > sharedElements);
    return out;
  },
});
