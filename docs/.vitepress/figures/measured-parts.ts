/** The tables and pictures that measurements give: a folder of `docs` has the measurements, and a page shows them between two comments. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readTextIfPresent } from "../../../src/core/node/read-file.ts";
import { plotsOf } from "../../../src/report/page.ts";
import { compressResultsIn } from "../../compress-table/results.ts";
import { compressTable } from "../../compress-table/table.ts";
import { memoryResultsIn } from "../../memory/results.ts";
import { memoryTable } from "../../memory/table.ts";
import { runsIn, timesIn } from "../../miniature/results.ts";
import { sizePlot } from "../../miniature/size-plot.ts";
import { frontList, miniatureTable } from "../../miniature/table.ts";
import { presetPlot } from "../../presets/plot.ts";
import { resultsIn } from "../../presets/results.ts";
import { presetTable } from "../../presets/table.ts";
import { measuredOptimizers, rateResultsIn } from "../../structured-rates/results.ts";
import { rateTable } from "../../structured-rates/table.ts";
import { docs } from "../build/folders.ts";
import { withPart } from "./markdown-tables.ts";

/** What the page shows. */
interface Drawn {
  readonly text: string;
  /** The pictures of the text, by their paths in `docs`. */
  readonly pictures?: Readonly<Record<string, string>>;
}

interface MeasuredPart {
  /** The name in the comments of the page. */
  readonly name: string;
  readonly page: string;
  /** The files of measurements, by their paths in `docs`. A file that does not exist has no measurements. */
  readonly files: readonly string[];
  /** @param lines The texts of the files. */
  readonly draw: (...lines: string[]) => Drawn;
}

const parts: readonly MeasuredPart[] = [
  {
    name: "presets",
    page: "results.md",
    files: ["presets/results.jsonl"],
    draw: (lines) => {
      const results = resultsIn(lines);
      return {
        text: `${presetTable(results)}\n![Test accuracy of the presets against minutes](presets/accuracy.svg)\n`,
        pictures: { "presets/accuracy.svg": `${presetPlot(results)}\n` },
      };
    },
  },
  {
    name: "miniature",
    page: "results.md",
    files: ["miniature/results.jsonl", "miniature/milliseconds.jsonl"],
    draw: (lines, times) => {
      const runs = runsIn(lines, timesIn(times));
      const plots = plotsOf(runs).filter(({ cost }) => cost !== undefined);
      const shown = plots.map(({ name, caption }) => `![${caption.split(". ")[0]}](miniature/${name}.svg)\n`);
      return {
        text: [miniatureTable(runs), frontList(runs), ...shown].join("\n"),
        pictures: Object.fromEntries(plots.map(({ name, svg }) => [`miniature/${name}.svg`, `${svg}\n`])),
      };
    },
  },
  {
    name: "second miniature",
    page: "results.md",
    files: ["miniature/wrn-16-2.jsonl"],
    draw: (lines) => {
      const runs = runsIn(lines, []);
      const alt = "Test error of networks of about the same size, from scratch and with a teacher";
      return {
        text: [miniatureTable(runs), frontList(runs), `![${alt}](miniature/by-size.svg)\n`].join("\n"),
        pictures: { "miniature/by-size.svg": `${sizePlot(runs)}\n` },
      };
    },
  },
  { name: "memory", page: "results.md", files: ["memory/results.jsonl"], draw: (lines) => ({ text: memoryTable(memoryResultsIn(lines)) }) },
  {
    name: "structured rates",
    page: "results.md",
    files: ["structured-rates/results.jsonl"],
    draw: (lines) => {
      const results = rateResultsIn(lines);
      return { text: measuredOptimizers.map((optimizer) => rateTable(results, optimizer)).join("\n") };
    },
  },
  {
    name: "compressed",
    page: "compress.md",
    files: ["compress-table/results.jsonl"],
    draw: (lines) => ({ text: compressTable(compressResultsIn(lines)) }),
  },
];

const measurements = async (path: string): Promise<string> =>
  (await readTextIfPresent(join(docs, path), { op: "docs:figures", remedy: "make it readable" })) ?? "";

/** The pages with their measured parts, and the pictures of these parts, by their paths in `docs`. */
export async function measuredFiles(): Promise<ReadonlyMap<string, string>> {
  const drawn = new Map<string, string>();
  for (const { name, page, files, draw } of parts) {
    const { text, pictures = {} } = draw(...(await Promise.all(files.map(measurements))));
    drawn.set(page, withPart(drawn.get(page) ?? (await readFile(join(docs, page), "utf8")), name, text));
    for (const [path, svg] of Object.entries(pictures)) drawn.set(path, svg);
  }
  return drawn;
}
