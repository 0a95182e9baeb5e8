/**
 * The page of the GPU tests in Chromium: it compares trainings with their records, runs programs that fail, and loses contexts and devices.
 */

import { program } from "../../src/backend/gpu/program.ts";
import { createGpuBackend, type GpuBackend, type GpuModeName } from "../../src/gpu.ts";
import { add, createReferenceBackend, initBackend, tensor } from "../../src/index.ts";
import type { Storage } from "../../src/tensor/storage.ts";
import { decodeSafetensors, type NamedArray } from "../../src/train/safetensors.ts";
import { divisionErrors } from "../backend/gpu/index-arithmetic.ts";
import { missingWebGl2, missingWebGpu } from "../backend/gpu/missing-device.ts";
import { openDevice } from "../backend/gpu/open-device.ts";
import {
  type Batch,
  countCalls,
  recordStep,
  type TrainingRecord,
  type TrainingReport,
  trainOnDevice,
} from "../backend/gpu/recorded-training.ts";

/** The WebGL contexts of all canvases. gpu.js does not expose its own. */
const contexts: WebGL2RenderingContext[] = [];
for (const { prototype } of [HTMLCanvasElement, OffscreenCanvas]) {
  const getContext = prototype.getContext as (...args: unknown[]) => unknown;
  Object.assign(prototype, {
    getContext(this: HTMLCanvasElement | OffscreenCanvas, ...args: unknown[]): unknown {
      const context = getContext.apply(this, args);
      if (context instanceof WebGL2RenderingContext && !contexts.includes(context)) contexts.push(context);
      return context;
    },
  });
}

const tensorsOf = async (file: string): Promise<ReadonlyMap<string, NamedArray>> => {
  const response = await fetch(`/fixtures/${file}`);
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return decodeSafetensors(new Uint8Array(await response.arrayBuffer()), file).tensors;
};

async function recordOf(convolution: string, batch: Batch): Promise<TrainingRecord> {
  const { cases } = (await (await fetch("/fixtures/index.json")).json()) as { cases: { conv: string; file: string; losses: number[] }[] };
  const entry = cases.find(({ conv }) => conv === convolution);
  if (entry === undefined) return recordStep(createReferenceBackend(), convolution, batch);
  return { convolution, tensors: await tensorsOf(entry.file), losses: entry.losses };
}

const backends = new Map<GpuModeName, Promise<GpuBackend>>();
const backendOf = (mode: GpuModeName): Promise<GpuBackend> => {
  const found = backends.get(mode) ?? createGpuBackend(mode);
  backends.set(mode, found);
  return found;
};

let reads: (() => number) | undefined;
/** Counts the calls that read numbers back, in WebGL and WebGPU. */
function countReads(): () => number {
  if (reads !== undefined) return reads;
  const counts = [
    countCalls(WebGL2RenderingContext.prototype as never, "readPixels"),
    countCalls(WebGL2RenderingContext.prototype as never, "getBufferSubData"),
  ];
  const { GPUBuffer } = globalThis as unknown as { GPUBuffer?: { prototype: never } };
  if (GPUBuffer !== undefined) counts.push(countCalls(GPUBuffer.prototype, "mapAsync"));
  reads = () => counts.reduce((sum, count) => sum + count(), 0);
  return reads;
}

/** What the browser lacks; undefined where the mode must work. */
const missing = async (mode: "webgl2" | "webgpu"): Promise<string | undefined> => (mode === "webgpu" ? missingWebGpu() : missingWebGl2());

async function train(mode: GpuModeName, convolution: string, options: { steps: number; tolerance: number }): Promise<TrainingReport> {
  const common = await tensorsOf("common.safetensors");
  const batch = { x: common.get("x")!, labels: common.get("labels")!.data };
  const record = await recordOf(convolution, batch);
  return trainOnDevice(await backendOf(mode), record, batch, { ...options, reads: countReads() });
}

const messageOf = (read: Promise<ArrayLike<number>>): Promise<string> =>
  read.then(
    (numbers) => `read ${Array.from(numbers)}`,
    (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
  );

export interface FailureReport {
  /** What reads gave of the result of a program that does not compile, and of a result that depends on it. */
  readonly compile: readonly string[];
  /** What reads gave of results whose kernels were dropped from the cache. */
  readonly evicted: readonly string[];
  /** Handles that are left when everything is released. */
  readonly handles: number;
}

const plus = (what: string) => program({ name: `test: plus ${what}`, tensors: ["x"], body: `return x[this.thread.x] + ${what};` });

async function fail(mode: GpuModeName): Promise<FailureReport> {
  const device = await openDevice(mode, { kernels: 2 });
  await device.fence();
  const before = device.counters.handles;
  const x = device.upload("float32", [1, 2]);
  const bad = device.run(plus("nowhere"), 2, { x });
  const worse = device.run(plus("1.0"), 2, { x: bad });
  const results: Storage[] = ["1.0", "2.0", "3.0", "4.0", "1.0"].map((what) => device.run(plus(what), 2, { x }));
  const compile = [await messageOf(bad.read()), await messageOf(worse.read())];
  const evicted: string[] = [];
  for (const result of results) evicted.push(await messageOf(result.read()));
  for (const storage of [x, bad, worse, ...results]) storage.release();
  await device.fence();
  const handles = device.counters.handles - before;
  device.close();
  return { compile, evicted, handles };
}

/** What reads gave before and after the context or device was lost, and on the next backend. */
export interface LossReport {
  readonly before: string;
  readonly after: readonly string[];
  readonly fresh: string;
  /** Handles that are left when everything is released. */
  readonly handles: number;
}

/** Loses the WebGL context of a backend, or its WebGPU device, in the middle of a run. */
async function lose(mode: "webgl2" | "webgpu"): Promise<LossReport> {
  contexts.length = 0;
  const { WebGPUContext } = (
    (await import("gpu.js")) as unknown as { default: { WebGPUContext: { acquire(): Promise<{ device: { destroy(): void } }> } } }
  ).default;
  const backend = await createGpuBackend(mode);
  await backend.fence();
  const own = backend.counters().handles;
  const x = backend.upload("float32", [1, 4]);
  const y = backend.unary("sqrt", x);
  const before = await messageOf(y.read());
  if (mode === "webgpu") (await WebGPUContext.acquire()).device.destroy();
  else for (const gl of contexts) gl.getExtension("WEBGL_lose_context")?.loseContext();
  const later = backend.unary("exp", y);
  const after = [await messageOf(y.read()), await messageOf(later.read()), await messageOf(backend.upload("float32", [1]).read())];
  for (const storage of [x, y, later]) storage.release();
  await backend.fence();
  const handles = backend.counters().handles - own;
  backend.dispose();
  let next: GpuBackend | undefined;
  await initBackend([
    {
      name: mode,
      create: async () => {
        next = await createGpuBackend(mode);
        return next;
      },
    },
  ]);
  const fresh = await messageOf(add(tensor([1, 2]), tensor([3, 4])).data());
  next?.dispose();
  return { before, after, fresh, handles };
}

/** The number of quotients and remainders that are wrong. */
async function divide(mode: GpuModeName, pairs: readonly (readonly [number, number])[]): Promise<number> {
  const device = await openDevice(mode);
  const errors = await divisionErrors(device, pairs);
  device.close();
  return errors.filter((error) => error !== 0).length;
}

const entries = { missing, train, divide, fail, lose };
export type PageEntries = typeof entries;
Object.assign(globalThis, entries);
