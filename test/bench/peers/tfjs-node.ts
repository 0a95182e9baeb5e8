/** TensorFlow.js in Node: on its wasm backend (SIMD, one thread) or its plain JavaScript backend. */

import { createRequire } from "node:module";
import { dirname } from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import type { Problem } from "../../../src/bench/benchmarks.ts";
import type { Contender } from "./contender.ts";
import { tfjs } from "./tfjs.ts";

function slowInJavaScript(problem: Problem): string | undefined {
  if (problem.kind === "trainingStep") return "minutes a step";
  if (problem.kind === "gemm" && problem.size > 512) return "twenty seconds a product";
  return problem.kind === "convolution" && problem.backward && problem.groups === 1 ? "a minute a repetition" : undefined;
}

export function tfjsInNode(backend: "wasm" | "cpu"): Contender {
  if (backend === "cpu") return tfjs(backend, slowInJavaScript);
  setThreadsCount(1);
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  return tfjs(backend);
}
