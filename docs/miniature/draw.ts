/** Writes the table, the fronts and the plots of the miniature from results.jsonl and milliseconds.jsonl: `npx tsx docs/miniature/draw.ts`. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { plotsOf } from "../../src/report/page.ts";
import { withPart } from "../.vitepress/figures/markdown-tables.ts";
import { runsIn, timesIn } from "./results.ts";
import { frontList, miniatureTable } from "./table.ts";

const at = (path: string): URL => new URL(path, import.meta.url);

const times = existsSync(at("milliseconds.jsonl")) ? timesIn(readFileSync(at("milliseconds.jsonl"), "utf8")) : [];
const runs = runsIn(readFileSync(at("results.jsonl"), "utf8"), times);
const plots = plotsOf(runs).filter(({ cost }) => cost !== undefined);
for (const { name, svg } of plots) writeFileSync(at(`${name}.svg`), `${svg}\n`);
const pictures = plots.map(({ name, caption }) => `![${caption.split(". ")[0]}](miniature/${name}.svg)\n`).join("\n");
const page = at("../results.md");
writeFileSync(page, withPart(readFileSync(page, "utf8"), "miniature", `${miniatureTable(runs)}\n${frontList(runs)}\n${pictures}`));
