/** `separable count`: counts the parameters and the multiply-adds of a network without computing a number of it. */

import type { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { countSpec, type NetworkReport } from "../experiment/count-spec.ts";
import { formatNetwork, networks, sizeRefusal } from "../experiment/network-spec.ts";
import { resolveConvolution } from "../experiment/node/load-family.ts";
import { presets } from "../experiment/presets.ts";
import { integer, type Rule } from "../experiment/rules.ts";
import { type Settings, settingRules } from "../experiment/setting-rules.ts";
import { mostClasses } from "../models/check-size.ts";
import { convolutionForms } from "../structured/convolution-text.ts";
import type { Mode } from "../structured/structured-linear.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatMegabytes, formatPercent, formatRows, formatTable } from "./format.ts";
import { writeJson } from "./terminal.ts";

interface CountOptions extends Pick<Settings, "network" | "depth" | "width"> {
  readonly widths?: readonly number[];
  readonly conv?: string;
  readonly classes?: number;
  readonly input?: number;
  readonly mode?: Mode;
  readonly json?: boolean;
}

const rule = <T>(option: string, allowed: Rule<T>): ((given: string) => T) => argument("count", option, allowed);

export function countCommand(command: Command, context: CommandContext): void {
  command
    .option("--network <kind>", settingRules.network.allowed, rule("--network", settingRules.network), presets.quick.network)
    .option("--depth <n>", "wrn: layers, 6n + 4 (10); darts: cells (20)", rule("--depth", settingRules.depth))
    .option("--width <n>", "wrn: factor of the channels (1); darts: channels of the first cells (36)", rule("--width", settingRules.width))
    .option("--widths <a,b,c>", "fast: channels of the three groups (64,256,256)", rule("--widths", settingRules.widths))
    .option("--conv <spec>", `one of ${convolutionForms}`, rule("--conv", settingRules.conv))
    .option(
      "--classes <n>",
      "number of classes (default: that of the paper, 10 or 1000)",
      rule("--classes", integer({ least: 1, most: mostClasses })),
    )
    .option(
      "--input <pixels>",
      "height and width of an image (default: that of the paper, 32 or 224)",
      rule("--input", integer({ least: 1, most: 4096 })),
    )
    .option("--mode <mode>", "how structured layers compute: auto, factorized or dense", rule("--mode", settingRules.mode))
    .option("--json", "print one JSON object to stdout")
    .action((options: CountOptions) => count(options, context));
}

async function count(
  { network: kind, depth, width, widths, conv, mode, json, ...given }: CountOptions,
  { terminal }: CommandContext,
): Promise<void> {
  const wrongSize = sizeRefusal(kind, { depth, width });
  if (wrongSize !== undefined) throw new ConfigError(`count: ${wrongSize}`);
  const { dense, classes: usualClasses, input: usualInput } = networks[kind];
  const { classes = usualClasses, input = usualInput } = given;
  if (widths !== undefined && kind !== "fast") throw new ConfigError(`count: --widths belongs to --network fast, got --network ${kind}`);
  const spec = {
    kind,
    depth,
    width,
    widths,
    convolution: conv === undefined ? dense : await resolveConvolution(conv, { modules: "load" }),
  };
  const report = countSpec(spec, classes, input, mode);
  const network = formatNetwork(spec);
  if (json) writeJson(terminal.stdout, { network, classes, input: [3, input, input], ...report });
  else terminal.stdout.write(`${network}, ${formatCount(classes)} classes, one image of 3×${input}×${input}\n\n${formatReport(report)}`);
}

function formatReport({ layers, groups, ...totals }: NetworkReport): string {
  const header = ["layer", "kind", "output", "parameters", "mult-adds (paper)", "mult-adds (here)"];
  const rows = layers.map(({ name, kind, output, params, paperMultAdds, multAdds }) => [
    name,
    kind,
    output.join("×"),
    ...[params, paperMultAdds, multAdds].map(formatCount),
  ]);
  const table = formatTable(header, rows, ["left", "left", "left", "right", "right", "right"]);
  const summary = [
    ["parameters", `${formatCount(totals.params)}, ${formatPercent(totals.compressionRatio)} of the same network with Conv`],
    ["weight decay", `${formatCount(groups.full)} in full, ${formatCount(groups.compressed)} scaled by the compression ratio`],
    ["mult-adds", `${formatCount(totals.paperMultAdds)} by the paper's convention, ${formatCount(totals.multAdds)} executed here`],
    ["activations", `${formatMegabytes(totals.activationBytes)} in float32`],
  ];
  return `${table}\n${formatRows(summary, 14)}`;
}
