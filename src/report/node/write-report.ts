/** A report in a folder: the page, and every plot as a file of its own. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeError, writeFileAtomic } from "../../train/node/atomic-file.ts";
import { plotsOf, type ReportOptions, renderReport } from "../page.ts";
import type { ReportRun } from "../report-run.ts";
import { svgToPng } from "./rasterise.ts";

/** Pixels across a plot's PNG: sharp in print and on dense screens. */
const pngWidth = 1640;

/** @returns the names of the files. @throws DataError when one cannot be written. */
export async function writeReport(folder: string, runs: readonly ReportRun[], options: ReportOptions = {}): Promise<string[]> {
  const files = new Map<string, string | Uint8Array>([["index.html", renderReport(runs, options)]]);
  for (const { name, svg } of plotsOf(runs, options)) {
    files.set(`${name}.svg`, svg);
    files.set(`${name}.png`, svgToPng(svg, pngWidth));
  }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error);
  });
  for (const [name, content] of files) await writeFileAtomic(join(folder, name), content);
  return [...files.keys()];
}
