/** The share of its parameters that a structured network kept. */

import { countParameters } from "../count/count-network.ts";
import type { Module } from "../nn/module.ts";
import { createNetwork, denseSpec, type NetworkSpec } from "./network-spec.ts";

/** Parameters of `model` / parameters of the dense network it is told against (paper, §3.2): what CRS weight decay scales by. */
export const compressionRatio = (spec: NetworkSpec, classes: number, model: Pick<Module, "parameterCount">): number =>
  model.parameterCount() / countParameters((build) => createNetwork(denseSpec(spec), classes, build));
