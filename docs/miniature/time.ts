/**
 * Measures a training step of each network in results.jsonl on this machine, with nothing else running:
 *
 *     npx tsx docs/miniature/time.ts > docs/miniature/milliseconds.jsonl
 */

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { startBackend } from "../../src/experiment/node/start-backend.ts";
import { stepTimes } from "../../src/experiment/node/step-time.ts";
import { parseResults } from "../../src/experiment/node/sweep/sweep-results.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";

const images = 32;

const backend = await startBackend({ backend: "wasm" });
const { results } = parseResults(readFileSync(new URL("results.jsonl", import.meta.url), "utf8"), "results.jsonl");
const distinct = [...new Map(results.map((result) => [`${result.network} ${result.convolution}`, result])).values()];
const times = await stepTimes(
  distinct.map(({ network, convolution }) => {
    const [, depth, width] = network.split("-").map(Number);
    return { spec: { kind: "wrn", depth: depth!, width: width!, convolution: parseConvolution(convolution) }, classes: 10, size: 32 };
  }),
  { images, onTurn: (done, total) => process.stderr.write(`\r${done}/${total}`) },
);
const machine = `${cpus()[0]?.model.trim() ?? "unknown"}, ${backend.threads} threads, ${backend.simd ?? "no"} SIMD, Node ${process.versions.node}`;
for (const [i, { network, convolution }] of distinct.entries())
  process.stdout.write(`${JSON.stringify({ network, convolution, images, milliseconds: Number(times[i]!.toFixed(2)), machine })}\n`);
process.exit(0);
