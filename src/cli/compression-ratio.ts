/** The share of its parameters that a structured network kept. */

import { kernels, useBackend } from "../backend/active.ts";
import { createReferenceBackend } from "../backend/reference/reference-kernels.ts";
import { Random } from "../core/random.ts";
import type { Module } from "../nn/module.ts";
import { createNetwork, type NetworkSpec } from "./spec.ts";

/** A stream that draws nothing: the dense twin is built to be counted. */
class Still extends Random {
  override normal(): number {
    return 0;
  }

  override uniform(): number {
    return 0;
  }
}

/** Parameters of `model` / parameters of the same network with `Conv` (paper, §3.2): what CRS weight decay scales by. */
export function compressionRatio(spec: NetworkSpec, classes: number, model: Module): number {
  const active = kernels();
  try {
    // On the heap, where the garbage collector takes it back.
    useBackend(createReferenceBackend());
    const dense = createNetwork({ ...spec, convolution: { kind: "Conv" } }, classes, { random: new Still(0) });
    return model.parameterCount() / dense.parameterCount();
  } finally {
    useBackend(active);
  }
}
