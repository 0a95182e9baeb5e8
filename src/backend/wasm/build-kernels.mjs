/**
 * Compiles the AssemblyScript kernels and embeds them as base64 TypeScript modules, so that Node, workers and bundlers load
 * them without fetching a file. Two builds of one source: baseline simd128, and relaxed SIMD (fused multiply-add).
 *
 * Both import a shared memory; the loader turns that into an unshared one by clearing a flag (see unshare.ts), because
 * atomics are valid on either and two more modules would double what a browser downloads.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { main as compile } from "assemblyscript/asc";

const here = dirname(fileURLToPath(import.meta.url));
const generated = join(here, "generated");
const builds = { baseline: "simd,threads", relaxed: "simd,threads,relaxed-simd" };

await mkdir(generated, { recursive: true });
for (const [name, features] of Object.entries(builds)) {
  const wasm = join(generated, `${name}.wasm`);
  const { error, stderr } = await compile([
    join(here, "assembly", "index.ts"),
    ...["--outFile", wasm, "--enable", features, "--runtime", "stub", "--noAssert", "--uncheckedBehavior", "always"],
    // One page is enough to validate: the host's memory may be larger, never smaller, and its maximum must not exceed this one's.
    ...["--importMemory", "--noExportMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
    ...["--memoryBase", "2048", "--optimizeLevel", "3", "--shrinkLevel", "0", "--converge"],
    // Addresses are usize, counts i32; on 32-bit WebAssembly the two mix freely.
    ...["--disableWarning", "201"],
  ]);
  if (error) {
    process.stderr.write(`${stderr.toString()}\nkernels: ${name} build failed: ${error.message}\n`);
    process.exit(1);
  }
  const bytes = await readFile(wasm);
  const packed = deflateRawSync(bytes, { level: 9 }).toString("base64");
  await writeFile(
    join(generated, `${name}.ts`),
    `/** Made by build-kernels.mjs: the ${name} kernels (${bytes.length} bytes of WebAssembly), deflated, in base64. */\nexport const kernels: string =\n  "${packed}";\n`,
  );
  if (!process.env.KEEP_WASM) await rm(wasm);
  process.stdout.write(`kernels: ${name} ${bytes.length} bytes, ${packed.length} embedded\n`);
}
