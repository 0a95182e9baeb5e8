/** Writes the table of compressed and tuned networks into docs/compress.md, from results.jsonl: `npx tsx docs/compress-table/draw.ts`. */

import { readFileSync, writeFileSync } from "node:fs";
import { withPart } from "../.vitepress/figures/markdown-tables.ts";
import { compressResultsIn } from "./results.ts";
import { compressTable } from "./table.ts";

const results = compressResultsIn(readFileSync(new URL("results.jsonl", import.meta.url), "utf8"));
const page = new URL("../compress.md", import.meta.url);
writeFileSync(page, withPart(readFileSync(page, "utf8"), "compressed", compressTable(results)));
