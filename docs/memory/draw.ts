/** Writes the table of the memory of a training step into docs/results.md, from results.jsonl: `npx tsx docs/memory/draw.ts`. */

import { readFileSync, writeFileSync } from "node:fs";
import { withPart } from "../.vitepress/figures/markdown-tables.ts";
import { memoryResultsIn } from "./results.ts";
import { memoryTable } from "./table.ts";

const results = memoryResultsIn(readFileSync(new URL("results.jsonl", import.meta.url), "utf8"));
const page = new URL("../results.md", import.meta.url);
writeFileSync(page, withPart(readFileSync(page, "utf8"), "memory", memoryTable(results)));
