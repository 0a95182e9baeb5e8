/** The page of `npm run bench:peers -- --browser`: separable, TensorFlow.js and jax-js on WebGPU, in turns on one adapter. */

import "@tensorflow/tfjs-backend-webgpu";
import packageJson from "../../../../package.json" with { type: "json" };
import { initBackend, kernels } from "../../../../src/backend/active.ts";
import type { GpuBackend } from "../../../../src/backend/gpu/gpu-backend.ts";
import { selectBenchmarks } from "../../../../src/bench/benchmarks.ts";
import { webgpu } from "../../../../src/gpu.ts";
import { type CompareOptions, type ComparisonRow, compare } from "../compare.ts";
import { comparisonCells, comparisonHeader, whyNone } from "../comparison-text.ts";
import type { Contender } from "../contender.ts";
import { jaxJs } from "../jax-js.ts";
import { separableOn } from "../separable-contender.ts";
import { tfjs } from "../tfjs.ts";

/** What the page measures, and then exports. */
export interface BrowserComparison {
  readonly date: string;
  /** The name of the adapter, as WebGPU gives it to separable. */
  readonly adapter: string;
  readonly software: boolean;
  readonly browser: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly ComparisonRow[];
}

export interface BrowserRequest extends CompareOptions {
  readonly names: readonly string[];
}

/** The libraries that start here, and why the others do not. */
async function startAll(): Promise<{ contenders: Contender[]; adapter: GpuBackend["adapter"] }> {
  await initBackend([webgpu()]);
  const backend = kernels() as GpuBackend;
  return {
    contenders: [separableOn(backend, packageJson.version), tfjs("webgpu"), await jaxJs("eager", "webgpu"), await jaxJs("jit", "webgpu")],
    adapter: backend.adapter,
  };
}

const add = (parent: Element, tag: string, text = ""): HTMLElement => {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
};

/** Measures all benchmarks, shows each row when it is known, and then a link to the result as a file. */
async function measure({ names, ...options }: BrowserRequest): Promise<BrowserComparison> {
  const { contenders, adapter } = await startAll();
  add(document.body, "p", `${adapter.name}${adapter.software ? " (a software adapter)" : ""}`);
  const table = add(document.body, "table");
  const line = (cells: readonly string[], tag: string): void => {
    const row = add(table, "tr");
    for (const cell of cells) add(row, tag, cell);
  };
  line(comparisonHeader, "th");
  const rows: ComparisonRow[] = [];
  for (const benchmark of selectBenchmarks(names))
    for (const row of await compare(benchmark, contenders, options)) {
      rows.push(row);
      line(comparisonCells(row), "td");
      const reason = whyNone(row);
      if (reason !== undefined) add(document.body, "p", reason);
    }
  const result: BrowserComparison = {
    date: new Date().toISOString().slice(0, 10),
    adapter: adapter.name,
    software: adapter.software,
    browser: navigator.userAgent,
    versions: Object.fromEntries(contenders.map(({ name, version }) => [name, version])),
    rows,
  };
  const link = add(document.body, "a", "Save the result") as HTMLAnchorElement;
  link.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 2)], { type: "application/json" }));
  link.download = "webgpu-peers.json";
  return result;
}

declare global {
  var measured: Promise<BrowserComparison>;
}

const asked: BrowserRequest = await (await fetch("/request.json")).json();
globalThis.measured = measure(asked);
globalThis.measured.catch((error: unknown) => add(document.body, "p", String(error)));
