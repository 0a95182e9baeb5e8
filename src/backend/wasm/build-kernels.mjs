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

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { main as compile } from "assemblyscript/asc";
import { exportedStructs } from "./exported-structs.mjs";
import { convTile, depthwiseTile, dotTile, gemmTile, panelDotTile, panelTile, sameWindowTile, winogradTile } from "./tiles.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const assembly = join(here, "assembly");
const generated = join(here, "generated");

/** The sizes of the tiles (tiles.mjs). In the wide build, vectors are written in pairs. */
const narrow = { gemm: { rows: 4, vectors: 2 }, convolution: { rows: 4, vectors: 2 } };
const wide = { gemm: { rows: 6, vectors: 4 }, convolution: { rows: 4, vectors: 4 } };
/** What distinguishes the builds: the features of WebAssembly, and the tiles. */
const builds = {
  baseline: { features: "simd,threads", tiles: narrow },
  relaxed: { features: "simd,threads,relaxed-simd", tiles: narrow },
  wide: { features: "simd,threads,relaxed-simd", tiles: wide },
};

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
  WIDE: Number(gemm.vectors === wide.gemm.vectors),
  GEMM_ROWS: gemm.rows,
  GEMM_COLUMNS: 4 * gemm.vectors,
  CONV_RUN: 2 * convolution.vectors,
});

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

for (const [name, { features, tiles }] of Object.entries(builds)) {
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
    ...["--memoryBase", "2048", "--optimizeLevel", "3", "--shrinkLevel", "0", "--converge"],
    // Addresses are usize, counts are i32. On 32-bit WebAssembly the two can be mixed freely, so the warning about it is disabled.
    ...["--disableWarning", "201"],
    ...Object.entries(constants(tiles)).flatMap(([constant, value]) => ["--use", `${constant}=${value}`]),
  ];
  const { error, stderr } = await compile(options, { readFile: readSource });
  if (error) {
    process.stderr.write(`${stderr.toString()}\nkernels: ${name} build failed: ${error.message}\n`);
    process.exit(1);
  }
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
}
