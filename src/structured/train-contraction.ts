/**
 * The application of a weight that is a tensor train over the modes of its flattened matrix. The modes do not follow the boundary between
 * outputs and inputs. If the boundary falls between two modes, or cuts one of them cleanly, the input can be contracted core by core.
 */

import { sizeOf } from "../core/shape.ts";
import type { Stage } from "../ops/contract-channels.ts";
import { reshape } from "../ops/reshape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Work } from "./structured-linear.ts";

/**
 * The mode of the flat index o·in + i in which outputs and inputs meet. Its high part has size `outer` and belongs to o. Its low part
 * belongs to i.
 */
export interface Boundary {
  readonly mode: number;
  readonly outer: number;
  readonly inner: number;
}

/** The boundary between outputs and inputs; undefined if no mode splits into two whole factors there. */
export function boundaryOf(dims: readonly number[], inFeatures: number): Boundary | undefined {
  let rest = inFeatures;
  for (let mode = dims.length - 1; mode >= 0; mode--) {
    const size = dims[mode]!;
    if (size % rest === 0) return { mode, outer: size / rest, inner: rest };
    if (rest % size !== 0) return undefined;
    rest /= size;
  }
  return undefined;
}

/**
 * y = W·x with W[o·in + i] = G₁[1,i₁,:]·…·G_d[:,i_d,1] and cores [r,d,r′].   x:[N,in,P] → [N,out,P].   The input modes are summed from the
 * last core to the boundary. Then the output modes are made from the boundary to the first core. Three cores that are cut in the second one
 * take r₂·in + r₁·r₂·d₂ + r₁·out multiply-adds a column.
 */
export function trainStages(cores: readonly Tensor[], { mode, outer, inner }: Boundary): readonly Stage[] {
  const [before, , after] = cores[mode]!.shape as [number, number, number];
  const summing = cores.slice(mode + 1).map((core): Stage => ["adb,pdb->pa", core]);
  const making = cores.slice(0, mode).map((core): Stage => ["adb,pb->dpa", core]);
  const cut: Stage = ["aoib,ib->oa", reshape(cores[mode]!, [before, outer, inner, after])];
  return [...summing.reverse(), cut, ...making.reverse()];
}

/** The cost of `trainStages`. */
export function trainWork(cores: readonly (readonly number[])[], { mode, outer, inner }: Boundary, perCall = 0): Work {
  const dims = cores.map((core) => core[1]!);
  const costs = cores.map((core, k) => {
    const positions = k > mode ? inner * sizeOf(dims.slice(mode + 1, k)) : k === mode ? 1 : outer * sizeOf(dims.slice(k + 1, mode));
    return positions * sizeOf(core);
  });
  return { multiplyAdds: costs.reduce((a, b) => a + b, 0), perCall };
}
