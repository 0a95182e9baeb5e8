/**
 * The wide build: kernels whose loops are written in pairs of neighbouring 128-bit vectors, for an engine that joins each pair into one
 * 256-bit vector. V8 does so under a flag, when it optimises code. WebAssembly itself promises nothing of the kind, so the joined code is
 * tested before it is used: it must compute what the baseline build computes, and its tiles must be faster
 * (docs/decisions/0010-wide-kernels-are-tested-before-they-run.md).
 */

import { messageOf } from "../../backend-maker.ts";
import { assembleKernels } from "../assemble-kernels.ts";
import { ArenaMemory } from "./arena-memory.ts";
import type { KernelExports } from "./kernel-exports.ts";
import { createMemory, embeddedKernels, instantiateKernels } from "./kernel-module.ts";
import { ThreadTeam } from "./thread-team.ts";
import { differenceOf } from "./wide-self-test.ts";

/** Compiles a module with its pairs joined, all of it at once and optimised; or says why this engine cannot. */
export type WideCompiler = { readonly compile: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module } | { readonly refusal: string };

/** A module that passed both tests, or the reason why the wide build does not run here. */
export type WideKernels = { readonly module: WebAssembly.Module } | { readonly refusal: string; readonly tried: boolean };

let compiler: WideCompiler | undefined;
const opened = new Map<boolean, Promise<WideKernels>>();

/** Says how this engine compiles the wide build. */
export function setWideCompiler(wanted: WideCompiler): void {
  compiler = wanted;
  opened.clear();
}

/** The wide kernels for a shared or an unshared memory. They are compiled and tested once in a process. */
export function openWideKernels(shared: boolean): Promise<WideKernels> {
  const known = opened.get(shared) ?? open(shared);
  opened.set(shared, known);
  return known;
}

async function open(shared: boolean): Promise<WideKernels> {
  if (compiler === undefined) return { refusal: "enableWideSimd() of separable/node was not called", tried: false };
  const refused = (refusal: string): WideKernels => ({ refusal, tried: true });
  if ("refusal" in compiler) return refused(compiler.refusal);
  try {
    const module = compiler.compile(await embeddedKernels("wide", shared));
    const wide = testBed(module, shared);
    const baseline = testBed(await WebAssembly.compile(await embeddedKernels("baseline", shared)), shared);
    const difference = differenceOf(wide.kernels, baseline.kernels);
    if (difference !== undefined) return refused(`the self-test found a wrong result (${difference})`);
    const slow = slowTile(wide.memory.withScratch(probeBytes, (base) => paces(wide, base)));
    return slow === undefined ? { module } : refused(slow);
  } catch (error) {
    return refused(messageOf(error));
  }
}

const testMemory = 2 ** 24;

/** The kernels of a module on a small memory of their own, computed by the caller alone. */
function testBed(module: WebAssembly.Module, shared: boolean) {
  const { memory: wasmMemory, maximumBytes } = createMemory(testMemory, shared);
  const memory = new ArenaMemory(wasmMemory, maximumBytes);
  const team = new ThreadTeam(1);
  const exports = instantiateKernels(module, wasmMemory, team);
  return { kernels: assembleKernels({ kernels: exports, memory, team }), exports, memory };
}

/** What the probe computes on (assembly/pairing-probe.ts). */
const probeBytes = 32_768;
const tiles = ["matrix multiplication", "convolution", "weight gradient"] as const;
/** Joined pairs compute about twice as fast as single vectors. Pairs that were not joined are at best as fast as single vectors. */
const leastGain = 1.2;
const rounds = 60;

/** Multiply-adds per millisecond of single vectors and of each tile. */
function paces({ exports, memory }: { exports: KernelExports; memory: ArenaMemory }, base: number): number[] {
  // The probe reads a table of offsets and numbers. All of them are 0.
  memory.integers.fill(0, base / 4, (base + probeBytes) / 4);
  const best = Array.from({ length: tiles.length + 1 }, () => 0);
  // The shortest of many short times counts: other programs may run beside this one.
  for (let round = 0; round < rounds; round++)
    for (const tile of best.keys()) {
      const start = performance.now();
      const multiplyAdds = exports.probe(tile, base, 24);
      best[tile] = Math.max(best[tile]!, multiplyAdds / (performance.now() - start));
    }
  return best;
}

/** Says which tile of pairs is not faster than single vectors, whose pace comes first; undefined where all are. */
export function slowTile([single, ...paired]: readonly number[]): string | undefined {
  const slow = paired.findIndex((pace) => pace < leastGain * single!);
  if (slow < 0) return undefined;
  const gain = (paired[slow]! / single!).toFixed(2);
  return `the engine does not join pairs of vectors: the ${tiles[slow]} runs at ${gain} times the pace of single vectors`;
}
