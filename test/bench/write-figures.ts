/**
 * Writes the tables of docs/benchmarks.md: `npx tsx test/bench/write-figures.ts --bench one.json two.json --peers peers.json --note "…"`,
 * `--structured structured.json --note "…"` for the tables of structured layers alone, or `--structured-builds wide=wide.json --note "…"` for
 * the table of builds.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { withPart } from "../../docs/.vitepress/figures/markdown-tables.ts";
import {
  type BenchDocument,
  figuresMarkdown,
  type PeersDocument,
  type StructuredDocument,
  structuredBuildsMarkdown,
  structuredMarkdown,
  torchMarkdown,
} from "./figures.ts";
import type { TorchDocument } from "./torch/document.ts";

const { bench, peers, structured, structuredBuilds, torch, note } = new Command("write-figures")
  .option("--bench <files...>", "outputs of separable bench --json", [])
  .option("--peers <file>", "the output of npm run bench:peers -- --json")
  .option("--structured <file>", "the output of separable bench --structured --json")
  .option("--structured-builds <build=file...>", "the same for several builds, for the table that compares them", [])
  .option("--torch <file>", "the output of npm run bench:torch -- --json")
  .requiredOption("--note <text>", "the circumstances of the measurement that a reader must know")
  .parse()
  .opts<{ bench: string[]; peers?: string; structured?: string; structuredBuilds: string[]; torch?: string; note: string }>();

const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const page = new URL("../../docs/benchmarks.md", import.meta.url);
const date = new Date().toISOString().slice(0, 10);
let text = readFileSync(page, "utf8");
if (structured !== undefined) text = withPart(text, "structured", structuredMarkdown(read(structured) as StructuredDocument, date, note));
if (structuredBuilds.length > 0) {
  const builds = structuredBuilds.map((each) => each.split("=") as [build: string, path: string]);
  const documents = Object.fromEntries(builds.map(([build, path]) => [build, read(path) as StructuredDocument]));
  text = withPart(text, "structured-builds", `${structuredBuildsMarkdown(documents)}\n${date}. ${note}\n`);
}
if (torch !== undefined) text = withPart(text, "torch", torchMarkdown(read(torch) as TorchDocument, note));
if (bench.length > 0 || peers !== undefined) {
  const figures = figuresMarkdown({
    bench: bench.flatMap((path) => read(path) as BenchDocument),
    peers: peers === undefined ? undefined : (read(peers) as PeersDocument),
    date,
    note,
  });
  text = withPart(text, "figures", figures);
}
writeFileSync(page, text);
