/** Writes the table of the presets into docs/results.md, and draws accuracy.svg, from results.jsonl: `npx tsx docs/presets/draw.ts`. */

import { readFileSync, writeFileSync } from "node:fs";
import { withPart } from "../.vitepress/figures/markdown-tables.ts";
import { presetPlot } from "./plot.ts";
import { resultsIn } from "./results.ts";
import { presetTable } from "./table.ts";

const at = (path: string): URL => new URL(path, import.meta.url);

const results = resultsIn(readFileSync(at("results.jsonl"), "utf8"));
const page = at("../results.md");
const picture = results.length === 0 ? "" : "\n![Test accuracy of the presets against minutes](presets/accuracy.svg)\n";
writeFileSync(page, withPart(readFileSync(page, "utf8"), "presets", presetTable(results) + picture));
if (results.length > 0) writeFileSync(at("accuracy.svg"), `${presetPlot(results)}\n`);
