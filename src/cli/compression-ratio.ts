/** The share of its parameters that a structured network kept. */

import { countParameters } from "../count/count-network.ts";
import type { Module } from "../nn/module.ts";
import { createNetwork, type NetworkSpec } from "./spec.ts";

/** Parameters of `model` / parameters of the same network with `Conv` (paper, §3.2): what CRS weight decay scales by. */
export const compressionRatio = (spec: NetworkSpec, classes: number, model: Pick<Module, "parameterCount">): number =>
  model.parameterCount() / countParameters((build) => createNetwork({ ...spec, convolution: { kind: "Conv" } }, classes, build));
