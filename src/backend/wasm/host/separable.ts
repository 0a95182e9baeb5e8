/** The separable convolution: divides the work and writes the job for assembly/separable.ts. Its gradients are in separable-gradient.ts. */

import { largest } from "../../../core/extent.ts";
import type { SeparableGeometry } from "../../../core/separable-geometry.ts";
import type { Storage } from "../../../tensor/storage.ts";
import { viewOf } from "../../host-storage.ts";
import type { Kernels, PrecedingNormStorages } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { takeNorm } from "./batch-norm.ts";
import { resultsBytes } from "./depthwise.ts";
import { isFloat32, type Machine } from "./machine.ts";
import { channelBytesOf, floatBytes, readBeyond } from "./planes.ts";
import { takeStatistics, writeCoefficients } from "./preceding-norm.ts";
import { Remembered } from "./remembered.ts";
import { ScratchLayout, wholeLines } from "./scratch-layout.ts";
import { bandRowsOf, paddedPanels, panelBytes, panelsLimit } from "./separable-bands.ts";
import { separableGradientKernels } from "./separable-gradient.ts";
import { normRowsBytes, packMap, planKey, type SeparableSizes, sizesOf, takeInput, takeMap, writeInput } from "./separable-input.ts";
import { structBytes, writeStruct } from "./structs.ts";

type Separable = "separableConv2d" | "separableConv2dGradient" | "normSeparableConv2d" | "normSeparableConv2dGradient";

export const separableAcceptances: Acceptances<Separable> = {
  separableConv2d: { dtypes: ["float32"], accepts: (x) => isFloat32(x) },
  // The transposed window has no plan for planes without pixels.
  separableConv2dGradient: { dtypes: ["float32"], nonEmpty: true, accepts: (x) => isFloat32(x) && x.length > 0 },
  normSeparableConv2d: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, _norm, _w, map) => isFloat32(x) && x.length * map.length > 0,
  },
  normSeparableConv2dGradient: {
    dtypes: ["float32"],
    nonEmpty: true,
    accepts: (x, _norm, _w, map) => isFloat32(x) && x.length * map.length > 0,
  },
};

/** So many chunks keep a few threads busy to the end. */
const enoughChunks = 8;
/** Room in a thread's scratch memory for the results of a window's tile and for those of a product's tile (`oneBand`). */
const tileBytes = (run: number): number => resultsBytes(run) + floatBytes * 8 * run;

/** What a call does that has such a geometry: the sizes, how the work is divided, and what lies where in scratch memory. */
function planOf(geometry: SeparableGeometry, hasNorm: boolean, sizes: SeparableSizes, threads: number) {
  const { run, batch, channels, outHeight, runsOfARow } = sizes;
  const perImage = Math.ceil(enoughChunks / batch);
  const panelRow = sizes.rowBytes * channels;
  const limit = Math.min(panelsLimit, Math.ceil(outHeight / perImage) * panelRow);
  const layout = new ScratchLayout();
  const input = takeInput(layout, geometry, bandRowsOf(outHeight, runsOfARow, panelRow, limit), run);
  const packed = takeMap(layout, sizes, false);
  const norm = hasNorm ? takeNorm(layout, sizes.norm) : undefined;
  const job = layout.take(structBytes("SeparableJob"));
  const { plan, bands } = input;
  const rowsBytes = hasNorm ? normRowsBytes(largest(bands.list.map(({ sourceRows }) => sourceRows)), geometry.window) : 0;
  const scratchBytes = wholeLines(
    tileBytes(run) +
      paddedPanels(bands.panels) * panelBytes(channels, run) +
      rowsBytes +
      (plan.direct ? 0 : channelBytesOf(plan, bands.planeRows)) +
      readBeyond,
  );
  const scratch = layout.take(scratchBytes * threads);
  return { input, packed, norm, job, rowsBytes, scratch, scratchBytes, bytes: layout.bytes };
}

export function separableKernels(machine: Machine): Pick<Required<Kernels>, Separable> {
  const { kernels, memory, team } = machine;
  const run = kernels.convRun.value;
  const plans = new Remembered<ReturnType<typeof planOf>>();
  /** y, and the statistics of x if there is a norm. */
  const convolve = (
    x: Storage,
    norm: PrecedingNormStorages | undefined,
    w: Storage,
    map: Storage,
    geometry: SeparableGeometry,
    addend: Storage | undefined,
  ) => {
    team.check();
    // The addresses of the operands are taken first: an operand that is not of this arena is refused before anything is allocated.
    const [source, weights, p] = [memory.pointerOf(x), memory.pointerOf(w), memory.pointerOf(map)];
    for (const operand of norm === undefined ? [] : [norm.gamma, norm.beta]) memory.pointerOf(operand);
    const added = addend === undefined ? 0 : memory.pointerOf(addend);
    const sizes = sizesOf(geometry, run);
    const { batch, channels, outChannels, shared } = sizes;
    const y = memory.allocate("float32", sizes.outputLength);
    const statistics = norm && { mean: memory.allocate("float32", channels), variance: memory.allocate("float32", channels) };
    if (sizes.outputLength === 0 || channels === 0) {
      if (addend === undefined) y.view.fill(0);
      else y.view.set(viewOf(addend));
      return { y, statistics };
    }
    const plan = plans.get(planKey(geometry, norm !== undefined), () => planOf(geometry, norm !== undefined, sizes, team.threads));
    const placed = norm && statistics && { norm: { ...norm, ...statistics }, geometry: sizes.norm, places: plan.norm! };
    memory.withScratch(plan.bytes, (base) => {
      if (placed !== undefined) {
        takeStatistics(machine, base, placed, source);
        writeCoefficients(machine, base, placed);
      }
      writeStruct(memory, base + plan.job, "SeparableJob", {
        input: writeInput(machine, base, plan.input, sizes, { x: source, weights }, placed, plan.rowsBytes),
        packedMap: packMap(machine, base, plan.packed, p, shared),
        y: y.pointer,
        addend: added,
        yImage: outChannels * sizes.planeBytes,
        yPlane: sizes.planeBytes,
        outChannels,
        scratch: base + plan.scratch,
        scratchBytes: plan.scratchBytes,
      });
      kernels.separable(base + plan.job, batch, shared);
    });
    return { y, statistics };
  };
  return {
    separableConv2d: (x, w, map, geometry, addend) => convolve(x, undefined, w, map, geometry, addend).y,
    normSeparableConv2d(x, norm, w, map, geometry, addend) {
      const { y, statistics } = convolve(x, norm, w, map, geometry, addend);
      return { y, ...statistics! };
    },
    ...separableGradientKernels(machine),
  };
}
