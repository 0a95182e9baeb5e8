/**
 * Trains WRN-10-1 with each convolution, optimiser and rate, with and without learning rates by structure, and writes results.jsonl:
 *
 *     npx tsx docs/structured-rates/measure.ts     # after npm run build; about 20 minutes on two cores
 *     npm run docs:figures                         # writes the tables of docs/results.md
 *
 * Each way of training is a sweep in `sweeps/structured-rates`, so the program can be stopped and begun again.
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readText } from "../../src/core/node/read-file.ts";
import { localEngine } from "../../src/experiment/node/sweep/local-engine.ts";
import { runSweep } from "../../src/experiment/node/sweep/run-sweep.ts";
import { expandSweep } from "../../src/experiment/node/sweep/sweep-plan.ts";
import { parseResults } from "../../src/experiment/node/sweep/sweep-results.ts";
import { factoredSpecs, measuredOptimizers, type RateResult, ratesOf } from "./results.ts";

const engine = localEngine({ jobs: 2, threads: 1, program: fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)) });
const observer = {
  begin: () => {},
  runBegins: () => {},
  epoch: () => {},
  runEnds: ({ id, testAccuracy }: { readonly id: string; readonly testAccuracy: number | null }) =>
    void process.stderr.write(`${id} ${testAccuracy}\n`),
  runFails: ({ id }: { readonly id: string }, error: Error) => void process.stderr.write(`${id} failed: ${error.message}\n`),
};

const results: RateResult[] = [];
for (const optimizer of measuredOptimizers)
  for (const rate of ratesOf[optimizer])
    for (const structured of [false, true]) {
      const settings = { optimizer, learningRate: rate, epochs: 1, ...(structured ? { structuredRates: true } : {}) };
      const out = `sweeps/structured-rates/${optimizer}-${rate}${structured ? "-structured" : ""}`;
      process.stderr.write(`${out}\n`);
      const runs = expandSweep({ settings, convolutions: factoredSpecs, seeds: [0] }, ".", new Map());
      await runSweep(runs, { out, engine, signal: new AbortController().signal, observer });
      const lines = await readText(`${out}/results.jsonl`, { op: "measure", remedy: "let the sweep train" });
      for (const { convolution, seed, testAccuracy } of parseResults(lines, out).results)
        results.push({ convolution, optimizer, rate, structured, seed, accuracy: testAccuracy! });
    }
writeFileSync(new URL("results.jsonl", import.meta.url), results.map((result) => `${JSON.stringify(result)}\n`).join(""));
