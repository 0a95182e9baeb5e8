/** Writes a report to a folder: the page, and every plot as an SVG file and a PNG file. */

import { join } from "node:path";
import { makeFolder } from "../../core/node/files.ts";
import { checkOptions } from "../../core/options.ts";
import { writeError, writeFileAtomic } from "../../train/node/atomic-file.ts";
import { plotsOf, type ReportOptions, renderReport, reportOptions } from "../page.ts";
import type { ReportRun } from "../report-run.ts";
import { loadRasteriser } from "./rasterise.ts";

/** Width of a plot's PNG, in pixels. It is sharp in print and on high-density screens. */
const pngWidth = 1640;

/**
 * Writes the files of the report.
 * @returns their names.
 * @throws DataError when a file cannot be written. ConfigError when a package that draws SVG is not installed.
 */
export async function writeReport(folder: string, runs: readonly ReportRun[], options: ReportOptions = {}): Promise<string[]> {
  checkOptions("writeReport", options, reportOptions);
  const rasterise = await loadRasteriser("report");
  const files = new Map<string, string | Uint8Array>([["index.html", renderReport(runs, options)]]);
  for (const { name, svg } of plotsOf(runs, options)) {
    files.set(`${name}.svg`, svg);
    files.set(`${name}.png`, rasterise(svg, pngWidth));
  }
  await makeFolder(folder).catch((error: unknown) => {
    throw writeError(folder, error);
  });
  for (const [name, content] of files) await writeFileAtomic(join(folder, name), content);
  return [...files.keys()];
}
