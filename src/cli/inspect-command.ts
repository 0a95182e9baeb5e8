/** `separable inspect`: analyses one structured layer. */

import { basename, extname, resolve } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { largest } from "../core/extent.ts";
import { layersOf } from "../count/count-network.ts";
import { type BackendOption, backendHelp, backendRule } from "../experiment/backend-names.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { loadFamilies } from "../experiment/node/load-family.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { presets } from "../experiment/presets.ts";
import { choice, integer, number, path } from "../experiment/rules.ts";
import { configOf } from "../experiment/run-config.ts";
import { describesItself, restoreNamed } from "../experiment/saved-network.ts";
import { inspectLayer, inspectTrained, isInspectable, type LayerReport } from "../inspect/inspect-layer.ts";
import { type HyperParameters, hyperParameters, layerNames, parseLayer } from "../inspect/layer-name.ts";
import { drawMatrix } from "../inspect/matrix-picture.ts";
import { convolutionName, parseConvolution } from "../structured/convolution-text.ts";
import { type ConvolutionSpec, familySpecOf } from "../structured/spec.ts";
import type { Initialisation } from "../structured/structured-linear.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatCount, formatPercent, formatTable, plural } from "./format.ts";
import type { Output } from "./printable-output.ts";
import { writeJson } from "./terminal.ts";

interface InspectOptions extends HyperParameters {
  readonly checkpoint?: string;
  readonly layer?: string;
  readonly conv?: string;
  readonly in?: number;
  readonly out?: number;
  readonly seed: number;
  readonly init: Initialisation;
  readonly backend?: BackendOption;
  /** False under --no-out-file. */
  readonly outFile?: string | false;
  readonly json?: boolean;
}

/** The number of features up to which the reference backend computes W of every family within seconds. */
const mostOnReference = 256;

const initialisations = ["reference", "spectral", "variance-preserving"] as const satisfies readonly Initialisation[];

export function inspectCommand(command: Command, context: CommandContext): void {
  const size = integer({ least: 1, most: 4096 });
  command
    .option(
      "--layer <name>",
      `one of ${layerNames.join(", ")}, a kind such as TensorTrain, or a spec such as TensorTrain_0.5; ` +
        "with --checkpoint, a layer of the network",
    )
    .option("--conv <spec>", "the layer as a spec: TensorTrain_0.5")
    .option("--checkpoint <run>", "analyse a trained layer of this run or checkpoint; without --layer, list the network's layers")
    .option("--in <n>", "input features", argument("inspect", "--in", size))
    .option("--out <n>", "output features", argument("inspect", "--out", size))
    .option("--init <name>", `one of ${initialisations.join(", ")}`, argument("inspect", "--init", choice(initialisations)), "reference")
    .option("--seed <n>", "seed of the initialisation", argument("inspect", "--seed", integer({ least: 0, below: 2 ** 32 })), 0)
    .option("--out-file <file>", "the picture, as .png or .svg (default: <spec>-<in>-<out>.png)", argument("inspect", "--out-file", path))
    .option("--no-out-file", "draw no picture")
    .option(
      "--backend <name>",
      `reference (float64), or one in float32: ${backendHelp} (default: reference up to ${mostOnReference} features, wasm beyond)`,
      argument("inspect", "--backend", backendRule),
    )
    .option("--json", "print one JSON object to stdout")
    .optionsGroup("Hyper-parameters, in place of the layer's usual ones:");
  for (const name of hyperParameters)
    command.option(`--${name} <x>`, "", argument("inspect", `--${name}`, number({ above: 0, most: 65_536 })));
  command.action((options: InspectOptions) => inspect(options, context));
}

/** What is analysed: its name, the first line of the text output, the head of the JSON output, and the analysis itself. */
interface Subject {
  readonly name: string;
  readonly title: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly report: LayerReport;
}

async function inspect(options: InspectOptions, { terminal: { stdout } }: CommandContext): Promise<void> {
  const subject = options.checkpoint === undefined ? await newLayer(options) : await trainedLayer(options, options.checkpoint, stdout);
  if (subject === undefined) return;
  const { name, title, json, report } = subject;
  const file = options.outFile === false ? undefined : resolve(options.outFile ?? `${name}.png`);
  if (file !== undefined) await writeFileAtomic(file, await pictureFor(file, drawMatrix(title, report.dense, report.factors)));
  if (options.json) {
    const { dense: _, factors, ...rest } = report;
    const shapes = factors.map(({ name: factor, shape, data }) => ({ name: factor, shape, size: data.length }));
    writeJson(stdout, { ...json, ...rest, factors: shapes, picture: file ?? null });
  } else describe(title, report, file, stdout);
}

/** Pixels of a picture for each pixel of its SVG: sharp on high-density screens. */
const pngScale = 2;

/** The picture in the format that the file's name asks for. The rasteriser is loaded for PNG only. */
async function pictureFor(file: string, svg: string): Promise<string | Uint8Array> {
  const extension = extname(file).toLowerCase();
  if (extension === ".svg") return svg;
  if (extension !== ".png") throw new ConfigError(`inspect: --out-file must end in .png or .svg, got ${file}`);
  const { loadRasteriser } = await import("../report/node/rasterise.ts");
  const rasterise = await loadRasteriser("inspect");
  return rasterise(svg, pngScale * Number(/ width="(\d+)"/.exec(svg)![1]));
}

async function newLayer(options: InspectOptions): Promise<Subject> {
  const spec = await specOf(options);
  const { in: inFeatures, out: outFeatures, seed, init } = options;
  if (inFeatures === undefined || outFeatures === undefined)
    throw new ConfigError(`inspect: a new layer needs --in and --out, got ${inFeatures ?? "no --in"} and ${outFeatures ?? "no --out"}`);
  const kind = convolutionName(spec);
  const backend = options.backend ?? (Math.max(inFeatures, outFeatures) <= mostOnReference ? "reference" : "wasm");
  await startFor(backend);
  const dtype = backend === "reference" ? "float64" : "float32";
  return {
    name: `${kind}-${inFeatures}-${outFeatures}`,
    title: `${kind}, ${inFeatures} → ${outFeatures} features, ${init} initialisation, seed ${seed}, ${dtype}`,
    json: { layer: kind, spec: familySpecOf(spec), in: inFeatures, out: outFeatures, dtype },
    report: await inspectLayer({ spec, inFeatures, outFeatures, seed, init, dtype }),
  };
}

/** The layer of a trained network that `--layer` names. Without `--layer` it lists the layers, and there is nothing to analyse. */
async function trainedLayer(options: InspectOptions, source: string, stdout: Output): Promise<Subject | undefined> {
  const given = (["conv", "in", "out", ...hyperParameters] as const).filter((name) => options[name] !== undefined);
  if (given.length > 0)
    throw new ConfigError(`inspect: the sizes of a trained layer are those of its checkpoint, got --${given.join(", --")}; leave them out`);
  await startFor(options.backend ?? "wasm");
  const checkpoint = await findCheckpoint(source);
  const settings = configOf(checkpoint)?.settings;
  if (settings === undefined && !describesItself(checkpoint))
    throw new ConfigError(`inspect: --checkpoint must be a run, a checkpoint of one or a file of saveModel, got ${source}`);
  const { model: network, name } = restoreNamed("inspect", checkpoint, settings ?? presets.quick, {});
  const layers = layersOf(network).filter(([, layer]) => isInspectable(layer));
  if (options.layer === undefined) {
    const rows = layers.map(([name, layer]) => [name, formatCount(layer.parameterCount())]);
    if (options.json) writeJson(stdout, { layers: layers.map(([name, layer]) => ({ name, parameters: layer.parameterCount() })) });
    else stdout.write(`${formatTable(["layer", "parameters"], rows, ["left", "right"])}\n`);
    return undefined;
  }
  const layer = layers.find(([name]) => name === options.layer)?.[1];
  if (layer === undefined)
    throw new ConfigError(
      `inspect: --layer must be a layer of the network, such as ${layers[0]![0]}, got "${options.layer}"; leave --layer out for a list`,
    );
  const report = await inspectTrained(layer, options.seed);
  const [outFeatures, inFeatures] = report.dense.shape as [number, number];
  return {
    name: options.layer,
    title: `${options.layer} of ${basename(resolve(source))}: ${settings?.conv ?? name}, ${inFeatures} → ${outFeatures} features, trained`,
    json: { layer: options.layer, checkpoint: resolve(source), in: inFeatures, out: outFeatures, dtype: "float32" },
    report,
  };
}

/** Starts a backend. One matrix is too little work for several threads. */
const startFor = (backend: BackendOption): Promise<unknown> => startBackend({ backend, ...(backend === "wasm" ? { threads: 1 } : {}) });

async function specOf({ layer, conv, ...options }: InspectOptions): Promise<ConvolutionSpec> {
  if ((layer === undefined) === (conv === undefined))
    throw new ConfigError(`inspect: needs either --layer or --conv, got ${layer === undefined ? "neither" : "both"}`);
  const given = Object.fromEntries(hyperParameters.map((name) => [name, options[name]]));
  // The option --conv has the same errors as in the other commands.
  const text = await loadFamilies((layer ?? conv)!, { modules: "load" });
  if (conv !== undefined) parseConvolution(text);
  return parseLayer(text, given);
}

const bars = "▁▂▃▄▅▆▇█";

/** Draws values as at most 48 bars. The height of a bar is the mean of its part of the values. */
function sparkline(values: readonly number[]): string {
  const count = Math.min(48, values.length);
  const top = largest(values) || 1;
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
    if (work === null) return [kind, "–", "–", "this layer has no efficient contraction"];
    if (error === null) return [kind, formatCount(work.multiplyAdds), formatCount(work.perCall), "–"];
    return [kind, formatCount(work.multiplyAdds), formatCount(work.perCall), error.toExponential(1)];
  });
  write(formatTable(["path", "multiply-adds a column", "and a call", "max |apply(x) − x·Wᵀ|"], paths, ["left", "right", "right", "left"]));
  const choices = auto.map(({ columns, path: taken, reason }) => [formatCount(columns), taken, reason]);
  if (auto.length > 0) write(formatTable(["columns", "auto takes", "because"], choices, ["right", "left", "left"]));

  if (reconstruction === null) write("Nearest to a given matrix: no best approximation is known for this layer");
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
