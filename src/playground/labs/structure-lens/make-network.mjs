/**
 * node make-network.mjs [run]
 *
 * Makes the trained network that comes with the lens: trains it with the command line, writes its weights in float16 beside this file, and
 * tests what was written. Build the package first. It needs Node 24 or later, for Float16Array. With the folder of a run, the network of
 * that run is written, and nothing is trained.
 */

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeModel, decodeSafetensors, encodeModel, encodeSafetensors, initBackend } from "../../../../dist/index.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const target = fileURLToPath(new URL("wrn-10-1-cifar10.safetensors", import.meta.url));
/** The recipe of the preset for a larger network, on the smallest one. */
const recipe = ["--preset", "wide-resnet", "--depth", "10", "--width", "1", "--epochs", "8"];

const separable = (...words) => execFileSync(process.execPath, [join(root, "dist/cli/main.js"), ...words], { stdio: "inherit" });

/** The bytes of a network's file with float16 in the place of float32. */
function halved(bytes) {
  const { tensors, metadata } = decodeSafetensors(bytes, target);
  const half = [...tensors].map(([name, { shape, data }]) => [
    name,
    { shape, data: data instanceof Float32Array ? Float16Array.from(data) : data },
  ]);
  return encodeSafetensors(new Map(half), metadata);
}

const folder = await mkdtemp(join(tmpdir(), "network-"));
const [, , run = join(folder, "run")] = process.argv;
try {
  if (process.argv.length < 3) separable("train", ...recipe, "--run", run);
  await initBackend(["wasm"]);
  const { network } = decodeModel(await readFile(join(run, "checkpoint.safetensors")), run);
  const { classes, normalization } = JSON.parse(await readFile(join(run, "config.json"), "utf8"));
  await writeFile(target, halved(await encodeModel(network, { classes, normalization })));
  separable("eval", target);
} finally {
  await rm(folder, { recursive: true });
}
