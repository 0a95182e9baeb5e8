/** Fills the tables of docs/benchmarks.md: `npx tsx test/bench/write-figures.ts --bench one.json two.json --peers peers.json --note "…"`. */

import { readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { type BenchDocument, figuresMarkdown, type PeersDocument, replaceFigures } from "./figures.ts";

const { bench, peers, note } = new Command("write-figures")
  .option("--bench <files...>", "what separable bench --json printed", [])
  .option("--peers <file>", "what npm run bench:peers -- --json printed")
  .requiredOption("--note <text>", "what a reader must know of how the figures came about")
  .parse()
  .opts<{ bench: string[]; peers?: string; note: string }>();

const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const page = new URL("../../docs/benchmarks.md", import.meta.url);
const figures = figuresMarkdown({
  bench: bench.flatMap((path) => read(path) as BenchDocument),
  peers: peers === undefined ? undefined : (read(peers) as PeersDocument),
  date: new Date().toISOString().slice(0, 10),
  note,
});
writeFileSync(page, replaceFigures(readFileSync(page, "utf8"), figures));
