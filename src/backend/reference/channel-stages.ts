/**
 * Products along the channels, stage by stage, and their gradients. This file teaches that a gradient needs what lies between the stages,
 * and need not have been given it: it is cheap to compute again.
 */

import type { ChannelStage } from "../../core/channel-stage.ts";
import type { TypedArray } from "../../tensor/storage.ts";
import { type HostMemory, viewOf } from "../host-storage.ts";
import type { Kernels, StagesGeometry } from "../kernels.ts";

type Numbers = Float64Array | TypedArray;

/** Calls `use` with the positions of w, of the input and of the output of every multiply-add. */
function everyProduct(
  { groups, weights, inputs, outputs, reads, writes }: ChannelStage,
  { batch, columns }: StagesGeometry,
  use: (w: number, from: number, to: number) => void,
): void {
  for (let image = 0; image < batch; image++)
    for (let group = 0; group < groups; group++)
      for (let o = 0; o < outputs; o++)
        for (let i = 0; i < inputs; i++) {
          const w = ((group % weights) * outputs + o) * inputs + i;
          const from = (image * groups * inputs + reads[group * inputs + i]!) * columns;
          const to = (image * groups * outputs + writes[group * outputs + o]!) * columns;
          for (let p = 0; p < columns; p++) use(w, from + p, to + p);
        }
}

function applied(stage: ChannelStage, geometry: StagesGeometry, w: Numbers, x: Numbers): Float64Array {
  const y = new Float64Array(geometry.batch * geometry.columns * stage.groups * stage.outputs);
  everyProduct(stage, geometry, (at, from, to) => {
    y[to]! += w[at]! * x[from]!;
  });
  return y;
}

export const channelStageKernels = (memory: HostMemory): Pick<Required<Kernels>, "contractChannels" | "contractChannelsGradient"> => ({
  contractChannels(x, weights, geometry) {
    const y = geometry.stages.reduce<Numbers>((z, stage, s) => applied(stage, geometry, viewOf(weights[s]!), z), viewOf(x));
    const out = memory.allocate(x.dtype, y.length);
    out.view.set(y);
    return out;
  },

  contractChannelsGradient(x, weights, g, geometry) {
    const between: Numbers[] = [viewOf(x)];
    for (const [s, stage] of geometry.stages.slice(0, -1).entries())
      between.push(applied(stage, geometry, viewOf(weights[s]!), between[s]!));
    let cotangent: Numbers = viewOf(g);
    const ofWeights = weights.map(({ length }) => new Float64Array(length));
    for (let s = geometry.stages.length - 1; s >= 0; s--) {
      const [stage, w, z] = [geometry.stages[s]!, viewOf(weights[s]!), between[s]!];
      const [given, back] = [cotangent, new Float64Array(z.length)];
      everyProduct(stage, geometry, (at, from, to) => {
        ofWeights[s]![at]! += z[from]! * given[to]!;
        back[from]! += w[at]! * given[to]!;
      });
      cotangent = back;
    }
    const stored = (values: Numbers) => {
      const out = memory.allocate(x.dtype, values.length);
      out.view.set(values);
      return out;
    };
    return { x: stored(cotangent), weights: ofWeights.map(stored) };
  },
});
