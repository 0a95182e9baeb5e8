/** The parts of a family's page that are written by a program: the picture and the costs from the code, and the rows of our measurements. */

import { Random } from "../../../src/core/random.ts";
import type { ReportRun } from "../../../src/report/report-run.ts";
import { parseConvolution } from "../../../src/structured/convolution-text.ts";
import { createLinear } from "../../../src/structured/create-convolution.ts";
import type { StructuredLinear } from "../../../src/structured/structured-linear.ts";
import { miniatureTable } from "../../miniature/table.ts";
import { contractionPicture, grouped, stepsPicture } from "../pictures/contraction-picture.ts";
import type { Example, FamilyPage } from "./family-pages.ts";
import { type Row, tableRows } from "./markdown-tables.ts";

const mapOf = ({ spec, inputs, outputs }: Example): StructuredLinear =>
  createLinear(parseConvolution(spec), inputs, outputs, { random: new Random(0) }, { init: "variance-preserving" });
const sizes = ({ inputs, outputs }: Example): string => `${inputs} → ${outputs}`;

/** The picture of the family's contraction. */
export function familyPicture({ drawn, weights, steps }: FamilyPage): string {
  const title = `How ${drawn.spec} is applied from ${drawn.inputs} to ${drawn.outputs} channels.`;
  if (steps !== undefined) return stepsPicture(title, steps);
  const map = mapOf(drawn);
  const stages = map.stages();
  if (stages !== undefined)
    return contractionPicture(
      title,
      drawn.inputs,
      stages,
      (weights ?? []).map((weight) => (typeof weight === "string" ? { name: weight } : weight)),
    );
  return contractionPicture(title, drawn.inputs, [["oi,i->o", map.toDense()]], [{ name: "W" }]);
}

/** The picture, and the table of parameters and multiply-adds. */
export function contractionPart({ page, drawn, counted }: FamilyPage): string {
  const rows = counted.map((example) => {
    const map = mapOf(example);
    const contraction = map.contractionCost();
    const { parameters } = map.cost();
    const share = `${((100 * parameters) / (example.inputs * example.outputs)).toFixed(1)} %`;
    const work = contraction && [grouped(contraction.multiplyAdds), grouped(contraction.perCall)];
    const cells = [`\`${example.spec}\`, ${sizes(example)}`, grouped(parameters), share, ...(work ?? ["– (W is formed)", "–"])];
    return `| ${[...cells, grouped(map.denseCost())].join(" | ")} |`;
  });
  return [
    `![How ${drawn.spec} is applied from ${drawn.inputs} to ${drawn.outputs} channels](pictures/${page}.svg)`,
    "",
    "| map | parameters | of the dense matrix | multiply-adds a column | once a call | forming W |",
    "|---|--:|--:|--:|--:|--:|",
    ...rows,
  ].join("\n");
}

/** The pages that hold the measurements, as Markdown. */
export interface Measurements {
  readonly benchmarks: string;
  readonly results: string;
  readonly miniature: readonly ReportRun[];
}

/** The rows of our measurements that belong to the family. */
export function measuredPart({ measured }: FamilyPage, { benchmarks, results, miniature }: Measurements): string {
  const ours = (row: Row): boolean => measured.test(row.convolution ?? "");
  const speed = tableRows(benchmarks, /^### (\d+ → \d+ at .*)$/, "auto over `Sep`").filter(({ row }) => ours(row));
  const learns = tableRows(results, /^## (Every family learns)$/, "last loss").filter(({ row }) => ours(row));
  const students = miniature.filter(({ convolution }) => measured.test(convolution));
  const table = (head: readonly string[], rows: readonly (readonly (string | undefined)[])[]): string[] => [
    `| ${head.join(" | ")} |`,
    `|---|${head
      .slice(1)
      .map(() => "--:|")
      .join("")}`,
    ...rows.map((cells) => `| ${cells.map((cell) => cell ?? "–").join(" | ")} |`),
  ];
  const lines: string[] = [];
  if (speed.length > 0)
    lines.push(
      "Time of a 3×3 convolution beside `Sep` of the same shape, forward / forward and backward",
      "([benchmarks](../benchmarks.md#structured-layers)):",
      "",
      ...table(
        ["convolution", "layer", "multiply-adds of the map", "time over `Sep`", "`auto` takes"],
        speed.map(({ row, heading }) => [
          `\`${row.convolution}\``,
          heading,
          row["multiply-adds"],
          row["auto over `Sep`"],
          row["auto takes"],
        ]),
      ),
      "",
    );
  if (learns.length > 0)
    lines.push(
      "[WRN-10-1](../glossary.md#wrn-10-1) after 400 steps; the dense network's loss is 1.606, and that of `Sep` is 1.712",
      "([every family learns](../results.md#every-family-learns)):",
      "",
      ...table(
        ["convolution", "parameters", "of the dense network", "loss"],
        learns.map(({ row }) => [`\`${row.convolution}\``, row.parameters, row.share, row["last loss"]]),
      ),
      "",
    );
  if (students.length > 0)
    lines.push(
      "Test error in [a miniature of the paper](../results.md#a-miniature-of-the-paper), from scratch and with attention transfer (AT):",
      "",
      miniatureTable(students),
    );
  return lines.join("\n").trimEnd();
}
