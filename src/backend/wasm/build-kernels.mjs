/**
 * Compiles the AssemblyScript kernels and embeds them as base64 TypeScript modules, so that Node, workers and bundlers load them without
 * fetching a file. One source is built three times: for baseline simd128, for relaxed SIMD (fused multiply-add), and for engines that join
 * pairs of relaxed vectors into 256-bit ones (wide).
 *
 * All builds import a shared memory. Where threads are not available the loader clears a flag in the module, which makes the memory
 * unshared (`unshare` in host/kernel-module.ts). Atomics are valid on both kinds of memory, and more modules would double what a
 * browser downloads.
 *
 * The script also writes generated/structs.ts: the fields of every structure that the host fills in for the kernels. The kernels' own
 * classes are the only description of these structures.
 */

import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { exportedStructs } from "./exported-structs.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const assembly = join(here, "assembly");
const generated = join(here, "generated");

/** The sizes of the tiles (tiles.mjs). In the wide build, vectors are written in pairs. */
const narrow = { gemm: { rows: 4, vectors: 2 }, convolution: { rows: 4, vectors: 2 } };
const wide = { gemm: { rows: 6, vectors: 4 }, convolution: { rows: 4, vectors: 4 } };
/**
 * What distinguishes the builds: the features of WebAssembly, the tiles, and whether passes over memory are written in pairs of vectors.
 */
const builds = [
  { name: "baseline", features: "simd,threads", tiles: narrow, pairs: false },
  { name: "relaxed", features: "simd,threads,relaxed-simd", tiles: narrow, pairs: false },
  { name: "wide", features: "simd,threads,relaxed-simd", tiles: wide, pairs: true },
];

await mkdir(generated, { recursive: true });

const structs = {};
for (const file of (await readdir(assembly)).filter((name) => name.endsWith(".ts")).sort())
  Object.assign(structs, exportedStructs(await readFile(join(assembly, file), "utf8")));
await writeFile(
  join(generated, "structs.ts"),
  `/** Made by build-kernels.mjs from the exported classes of assembly: the fields that the host writes, in order, four bytes each. */
export const structs = ${JSON.stringify(structs, undefined, 2)} as const;
`,
);

// The optimiser of the compiler has one thread, and three builds take most of the time of an installation.
await Promise.all(builds.map((workerData) => once(new Worker(new URL("compile-kernels.mjs", import.meta.url), { workerData }), "exit")));
