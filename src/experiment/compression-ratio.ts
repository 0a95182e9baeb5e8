/** The compression ratio of a structured network. */

import { countParameters } from "../count/count-network.ts";
import type { Module } from "../nn/module.ts";
import { createNetwork, denseSpec, type NetworkSpec } from "./network-spec.ts";

/** Parameters of `model` / parameters of the dense network with the same architecture (paper, §3.2). CRS decay scales by this ratio. */
export const compressionRatio = (spec: NetworkSpec, classes: number, model: Pick<Module, "parameterCount">): number =>
  model.parameterCount() / countParameters((build) => createNetwork(denseSpec(spec), classes, build));
