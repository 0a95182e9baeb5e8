/** `separable inspect`: one structured layer taken apart. */

import { resolve } from "node:path";
import { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { maximumOf } from "../core/extremes.ts";
import { type BackendOption, backendHelp, backendRule } from "../experiment/backend-names.ts";
import { argument, choice, integer, number, path } from "../experiment/rules.ts";
import { startBackend } from "../experiment/start-backend.ts";
import { inspectLayer, type LayerReport } from "../inspect/inspect-layer.ts";
import { type HyperParameters, hyperParameters, layerNames, parseLayer } from "../inspect/layer-name.ts";
import { drawMatrix } from "../inspect/matrix-picture.ts";
import { formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { Initialisation } from "../structured/structured-linear.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import type { CommandContext } from "./command-context.ts";
import { formatCount, formatPercent, formatTable, plural } from "./format.ts";
import { type Output, writeJson } from "./terminal.ts";

interface InspectOptions extends HyperParameters {
  readonly layer?: string;
  readonly conv?: string;
  readonly in: number;
  readonly out: number;
  readonly seed: number;
  readonly init: Initialisation;
  readonly backend?: BackendOption;
  /** False for --no-out-file. */
  readonly outFile?: string | false;
  readonly json?: boolean;
}

/** Features up to which plain loops rebuild every family's W within seconds. */
const mostOnReference = 256;

const initialisations = ["reference", "spectral", "variance-preserving"] as const satisfies readonly Initialisation[];

export function inspectCommand(context: CommandContext): Command {
  const size = integer({ least: 1, most: 4096 });
  const command = new Command("inspect")
    .description("take one structured layer apart: parameters, cost, errors, singular values, and a picture of its matrix")
    .option("--layer <name>", `one of ${layerNames.join(", ")}, or a spec such as TensorTrain_0.5`)
    .option("--conv <spec>", "the same as a spec: TensorTrain_0.5")
    .requiredOption("--in <n>", "input features", argument("inspect", "--in", size))
    .requiredOption("--out <n>", "output features", argument("inspect", "--out", size))
    .option("--init <name>", `one of ${initialisations.join(", ")}`, argument("inspect", "--init", choice(initialisations)), "reference")
    .option("--seed <n>", "of the initialisation", argument("inspect", "--seed", integer({ least: 0, below: 2 ** 32 })), 0)
    .option("--out-file <file>", "the picture's name (default: <spec>-<in>-<out>.png)", argument("inspect", "--out-file", path))
    .option("--no-out-file", "draw no picture")
    .option(
      "--backend <name>",
      `reference (float64), or one in float32: ${backendHelp} (default: reference up to ${mostOnReference} features, wasm beyond)`,
      argument("inspect", "--backend", backendRule),
    )
    .option("--json", "print one JSON object to stdout")
    .optionsGroup("Hyper-parameters, in place of the layer's usual ones:");
  for (const name of hyperParameters) command.option(`--${name} <x>`, "", argument("inspect", `--${name}`, number({ above: 0 })));
  return command.action((options: InspectOptions) => inspect(options, context));
}

async function inspect(options: InspectOptions, { terminal: { stdout } }: CommandContext): Promise<void> {
  const spec = specOf(options);
  const name = formatConvolution(spec);
  const backend = options.backend ?? (Math.max(options.in, options.out) <= mostOnReference ? "reference" : "wasm");
  // One matrix is too little to share out.
  await startBackend({ backend, ...(backend === "wasm" ? { threads: 1 } : {}) });
  const dtype = backend === "reference" ? "float64" : "float32";
  const report = await inspectLayer({
    spec,
    inFeatures: options.in,
    outFeatures: options.out,
    seed: options.seed,
    init: options.init,
    dtype,
  });
  const file = options.outFile === false ? undefined : resolve(options.outFile ?? `${name}-${options.in}-${options.out}.png`);
  if (file !== undefined) await writeFileAtomic(file, drawMatrix(report.dense, report.factors));
  if (options.json) {
    const { dense: _, factors, ...rest } = report;
    const shapes = factors.map(({ name: factor, shape, data }) => ({ name: factor, shape, size: data.length }));
    writeJson(stdout, { layer: name, spec, in: options.in, out: options.out, dtype, ...rest, factors: shapes, picture: file ?? null });
  } else
    describe(
      `${name}, ${options.in} → ${options.out} features, ${options.init} initialisation, seed ${options.seed}, ${dtype}`,
      report,
      file,
      stdout,
    );
}

function specOf({ layer, conv, ...options }: InspectOptions): ConvolutionSpec {
  if ((layer === undefined) === (conv === undefined))
    throw new ConfigError(`inspect: needs either --layer or --conv, got ${layer === undefined ? "neither" : "both"}`);
  const given = Object.fromEntries(hyperParameters.map((name) => [name, options[name]]));
  // --conv is spelt as everywhere else, so its errors are those of everywhere else.
  if (conv !== undefined) parseConvolution(conv);
  return parseLayer((layer ?? conv)!, given);
}

const bars = "▁▂▃▄▅▆▇█";

/** At most 48 bars, each the mean of its share of the values, as high as it is large. */
function sparkline(values: readonly number[]): string {
  const count = Math.min(48, values.length);
  const top = maximumOf(values) || 1;
  return Array.from({ length: count }, (_, at) => {
    const [from, to] = [Math.floor((at * values.length) / count), Math.floor(((at + 1) * values.length) / count)];
    const mean = values.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
    return bars[Math.min(7, Math.floor((8 * mean) / top))];
  }).join("");
}

const figure = (value: number): string =>
  value === 0 ? "0" : value < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));

function describe(title: string, report: LayerReport, file: string | undefined, stdout: Output): void {
  const { parameters, denseParameters, factors, cost, auto, contractionError, reconstruction, singularValues, rank } = report;
  const write = (text: string): unknown => stdout.write(`${text}\n`);
  write(`${title}\n`);
  write(`${plural(parameters, "parameter")}, ${formatPercent(parameters / denseParameters)} of the dense ${formatCount(denseParameters)}`);
  const shapes = factors.map(({ name: factor, shape, data }) => [factor, `[${shape.join(",")}]`, formatCount(data.length)]);
  write(formatTable(["factor", "shape", "numbers"], shapes, ["left", "left", "right"]));

  const paths = (["factorized", "dense"] as const).map((kind) => {
    const work = cost[kind];
    const error = contractionError[kind];
    if (work === null || error === null) return [kind, "–", "–", "no contraction factor by factor exists"];
    return [kind, formatCount(work.multiplyAdds), formatCount(work.perCall), error.toExponential(1)];
  });
  write(formatTable(["path", "multiply-adds a column", "and a call", "max |apply(x) − x·Wᵀ|"], paths, ["left", "right", "right", "left"]));
  const choices = auto.map(({ columns, path: taken, reason }) => [formatCount(columns), taken, reason]);
  write(formatTable(["columns", "auto takes", "because"], choices, ["right", "left", "left"]));

  if (reconstruction === null) write("Nearest to a given matrix: no best approximation is known for this family");
  else {
    const { itself, random } = reconstruction;
    write(`Nearest to a given matrix: relative error ${figure(itself)} for its own W, ${figure(random)} for one of random numbers`);
  }
  const [largest, smallest] = [singularValues[0]!, singularValues.at(-1)!];
  const condition = rank === singularValues.length && smallest > 0 ? `, condition ${figure(largest / smallest)}` : "";
  write(`Singular values of W: ${figure(largest)} … ${figure(smallest)}, rank ${rank} of ${singularValues.length}${condition}`);
  write(`  ${sparkline(singularValues)}`);
  if (file !== undefined) write(`\nPicture of W beside its factors: ${file}`);
}
