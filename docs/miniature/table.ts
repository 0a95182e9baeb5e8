/** The table of the miniature: one row for each network, with the errors of both ways of training. */

import { type Configuration, configurationsOf } from "../../src/report/configurations.ts";
import { namesAmong } from "../../src/report/names.ts";
import { paretoFront } from "../../src/report/pareto-front.ts";
import type { ReportRun } from "../../src/report/report-run.ts";
import { type Cost, costsOf } from "../../src/report/scatter-plot.ts";
import { markdownTable } from "../.vitepress/figures/markdown-tables.ts";
import { studentsOf } from "./students.ts";

const millions = (value: number): string => `${(value / 1e6).toFixed(2)} M`;
const count = (value: number): string => value.toLocaleString("en-US");

const headings: Readonly<Record<Cost, string>> = {
  parameters: "parameters",
  paperMultAdds: "mult-adds, paper's convention",
  multAdds: "mult-adds, executed",
  milliseconds: "step, ms",
};
const formats: Readonly<Record<Cost, (value: number) => string>> = {
  parameters: count,
  paperMultAdds: millions,
  multAdds: millions,
  milliseconds: (value) => value.toFixed(1),
};

/** `8.31 ± 0.12 (2)`: the mean, the standard deviation and the number of seeds; the mean alone for one seed. */
function errorOf(configuration: Configuration | undefined): string {
  if (configuration === undefined) return "–";
  const { mean, std, seeds } = configuration.error;
  return (100 * mean).toFixed(2) + (std === undefined ? "" : ` ± ${(100 * std).toFixed(2)} (${seeds})`);
}

/** The table as Markdown, the largest network first. */
export function miniatureTable(runs: readonly ReportRun[]): string {
  const students = studentsOf(runs);
  const costs = costsOf(students.map(({ network }) => network));
  const severalNetworks = new Set(students.map(({ network }) => network.network)).size > 1;
  const rows = students.map(({ network, alone, taught }) => [
    `\`${network.convolution}\``,
    ...(severalNetworks ? [network.network] : []),
    ...costs.map((cost) => formats[cost](network[cost]!)),
    errorOf(alone),
    errorOf(taught),
    alone && taught ? (100 * (alone.error.mean - taught.error.mean)).toFixed(2) : "–",
  ]);
  const header = ["convolution", ...(severalNetworks ? ["network"] : []), ...costs.map((cost) => headings[cost])];
  return markdownTable([...header, "error, from scratch, %", "error, AT, %", "AT gains"], rows, ["network"]);
}

/** The networks on the front of each cost, the cheapest first. */
export function frontList(runs: readonly ReportRun[]): string {
  const configurations = configurationsOf(runs);
  const { configuration: nameOf } = namesAmong(configurations);
  return costsOf(configurations)
    .map((cost) => {
      const front = paretoFront(configurations.map((each) => ({ cost: each[cost]!, error: each.error.mean, each })));
      const names = front.map(({ each, error }) => `${nameOf(each)} (${(100 * error).toFixed(1)} %)`);
      return `- By ${headings[cost]}: ${names.join(", ")}.\n`;
    })
    .join("");
}
