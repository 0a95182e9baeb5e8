/**
 * One build of the kernels, in a worker of build-kernels.mjs: compiles the AssemblyScript for some features and tiles, and writes the
 * module `generated/<name>.ts`.
 */

import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { workerData } from "node:worker_threads";
import { deflateRawSync } from "node:zlib";
import { main as compile } from "assemblyscript/asc";
import { convTile, depthwiseTile, dotTile, gemmTile, panelDotTile, panelTile, sameWindowTile, winogradTile } from "./tiles.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const assembly = join(here, "assembly");
const generated = join(here, "generated");
const { name, features, tiles, pairs } = workerData;

/** Files of `assembly` that are written for the tiles of a build. */
const tileFiles = ({ gemm, convolution }) => ({
  "gemm-tile.ts": gemmTile(gemm),
  "single-tile.ts": gemmTile({ rows: 8, vectors: 1 }, "singleTile"),
  "conv-tile.ts": convTile(convolution),
  "conv-dots.ts": dotTile(convolution),
  "depthwise-tile.ts": depthwiseTile(convolution),
  "panel-tile.ts": panelTile(convolution),
  "panel-dots.ts": panelDotTile(convolution),
  "same-window-tile.ts": sameWindowTile(convolution),
  "winograd-tile.ts": winogradTile(convolution),
});

/** Constants of the kernels that differ from build to build (assembly/build-constants.d.ts). */
const constants = ({ gemm, convolution }) => ({
  WIDE: Number(pairs),
  GEMM_ROWS: gemm.rows,
  GEMM_COLUMNS: 4 * gemm.vectors,
  CONV_RUN: 2 * convolution.vectors,
});

const wasm = join(generated, `${name}.wasm`);
const made = tileFiles(tiles);
const readSource = async (file, folder) => {
  const path = resolve(folder, file);
  if (dirname(path) === assembly && basename(path) in made) return made[basename(path)];
  return readFile(path, "utf8").catch(() => null); // The compiler asks for several names until one exists.
};
const options = [
  join(assembly, "index.ts"),
  ...["--outFile", wasm, "--enable", features, "--runtime", "stub", "--noAssert", "--uncheckedBehavior", "always"],
  // One page is enough to validate. The host's memory may start larger than declared here, and its maximum must not exceed this one.
  ...["--importMemory", "--noExportMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  // Without --converge the compiler takes half the time, but the wide build then computed a wrong result on V8 13.6 (Node 24.21). Its
  // self-test finds this (host/wide-self-test.ts).
  ...["--memoryBase", "2048", "--optimizeLevel", "3", "--shrinkLevel", "0", "--converge"],
  // Addresses are usize, counts are i32. On 32-bit WebAssembly the two can be mixed freely, so the warning about it is disabled.
  ...["--disableWarning", "201"],
  ...Object.entries(constants(tiles)).flatMap(([constant, value]) => ["--use", `${constant}=${value}`]),
];
const { error, stderr } = await compile(options, { readFile: readSource });
if (error) throw new Error(`kernels: ${name} build failed: ${error.message}\n${stderr.toString()}`);
const bytes = await readFile(wasm);
const packed = deflateRawSync(bytes, { level: 9 }).toString("base64");
await writeFile(
  join(generated, `${name}.ts`),
  `/** Made by build-kernels.mjs: the ${name} kernels (${bytes.length} bytes of WebAssembly), deflated, in base64. */\n` +
    `export const kernels: string =\n  "${packed}";\n`,
);
if (!process.env.KEEP_WASM) await rm(wasm);
// `npm pack --json` runs this script and prints JSON to the standard output, so that output stays free.
process.stderr.write(`kernels: ${name} ${bytes.length} bytes, ${packed.length} embedded\n`);
