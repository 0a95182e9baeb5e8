/** `separable convert`: reads and writes the files of other programs: PyTorch's state dicts, NumPy's archives and ONNX graphs. */

import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { dataFacts, type ImageFacts, imageFacts, imageSide } from "../experiment/data-facts.ts";
import { formatNetwork, type Network, type NetworkSpec, networks } from "../experiment/network-spec.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { writeUntrainedRun } from "../experiment/node/write-run.ts";
import { classesOf, presentArrays, restoreNetwork } from "../experiment/restore-network.ts";
import { choice, either, integer } from "../experiment/rules.ts";
import { configOf } from "../experiment/run-config.ts";
import { describesItself, savedSettings } from "../experiment/saved-network.ts";
import { type DataName, isDataName, type Settings } from "../experiment/setting-rules.ts";
import { networkOf, resolveSettings } from "../experiment/settings.ts";
import { decodeNpz, encodeNpz } from "../interchange/npz.ts";
import { exportOnnx } from "../interchange/onnx/export-onnx.ts";
import type { Mode } from "../structured/structured-linear.ts";
import { type Checkpoint, foreignCheckpoint } from "../train/checkpoint.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { encodeSafetensors, type NamedArray } from "../train/safetensors.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { formatMegabytes, plural } from "./format.ts";
import { addSettingOptions, type SettingOption } from "./setting-options.ts";
import { writeJson, writeNotes } from "./terminal.ts";

const weightForms = ["contracted", "folded"] as const;

interface ConvertOptions extends Partial<Pick<Settings, "network" | "depth" | "width" | "widths" | "conv" | "attentionSplit" | "data">> {
  readonly mode?: Mode;
  readonly weights?: (typeof weightForms)[number];
  readonly batch?: number | "any";
  readonly input?: number;
  readonly json?: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["network", "--network <kind>", "the network, for a file without a configuration"],
  ["depth", "--depth <n>", "its depth, for a file without a configuration"],
  ["width", "--width <n>", "its width, for a file without a configuration"],
  ["widths", "--widths <a,b,c>", "its widths, if it is fast, for a file without a configuration"],
  ["conv", "--conv <spec>", "its convolutions, for a file without a configuration"],
  ["attentionSplit", "--attention-split <n>", "its attention maps in each group, for a file without a configuration"],
  ["data", "--data <name>", "the data set whose classes it has (cifar10, cifar100), for a file without a configuration"],
  ["mode", "--mode <name>", "onnx: write structured layers as auto, factorized or dense computes them"],
];

export function convertCommand(command: Command, context: CommandContext): void {
  addSettingOptions(command, settingOptions);
  command
    .option(
      "--weights <form>",
      "onnx: contracted writes the factors, folded writes one matrix for each layer",
      argument("convert", "--weights", choice(weightForms)),
    )
    .option(
      "--batch <n>",
      "onnx: images in a call, or any for any number of them (default: 1)",
      argument("convert", "--batch", either(integer({ least: 1, most: 65_536 }), choice(["any"]))),
    )
    .option("--input <pixels>", "onnx: height and width of an image", argument("convert", "--input", integer({ least: 1, most: 4096 })))
    .option("--json", "print one JSON object to stdout")
    .action((from: string, to: string, options: ConvertOptions) => convert(from, to, options, context));
}

async function convert(from: string, to: string, options: ConvertOptions, { terminal }: CommandContext): Promise<void> {
  checkTarget(to);
  const checkpoint = await readNetwork(from);
  writeNotes(terminal, checkpoint.notes);
  const written = await write(to, checkpoint, options);
  if (options.json) writeJson(terminal.stdout, { from, to, ...written });
  else terminal.stdout.write(`${from} → ${to}: ${written.what}\n`);
}

const fileExtensions = [".safetensors", ".npz", ".onnx"];

/**
 * Refuses the extensions of other formats, such as `.pt`, which would become the name of a folder. The end of `wrn-10-1-TensorTrain_0.5` is
 * no extension, because it has no letters.
 */
function checkTarget(path: string): void {
  const extension = extname(path);
  if (fileExtensions.includes(extension) || !/^\.[a-z]\w*$/i.test(extension)) return;
  const remedy = /^\.(pt|pth|bin|ckpt)$/i.test(extension)
    ? "write .safetensors, which PyTorch reads with safetensors.torch.load_file"
    : "choose one of them";
  throw new ConfigError(
    `convert: the target must be a file ${fileExtensions.join(", ")} or a folder without an extension, got ${path}; ${remedy}`,
  );
}

async function readNetwork(path: string): Promise<Checkpoint> {
  if (extname(path) !== ".npz") return findCheckpoint(path);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new ConfigError(`convert: ${path} must be readable, got ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  return foreignCheckpoint(path, { tensors: decodeNpz(bytes, path), metadata: {} });
}

interface Written {
  readonly what: string;
  readonly bytes?: number;
}

async function write(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  const extension = extname(to);
  const arrays = (): ReadonlyMap<string, NamedArray> => presentArrays(checkpoint, specFor(checkpoint, options));
  if (extension === ".safetensors")
    return writeBytes(to, encodeSafetensors(arrays(), { format: "pt" }), plural(checkpoint.model.size, "tensor"));
  if (extension === ".npz") return writeBytes(to, encodeNpz(arrays()), plural(checkpoint.model.size, "array"));
  if (extension === ".onnx") return writeOnnx(to, checkpoint, options);
  return writeRun(to, checkpoint, options);
}

async function writeBytes(path: string, bytes: Uint8Array, what: string): Promise<Written> {
  await writeFileAtomic(path, bytes);
  return { what: `${what}, ${formatMegabytes(bytes.length)}`, bytes: bytes.length };
}

/** The settings of the run. For a file without a configuration, the options describe the network. */
function settingsFor(
  { source, ...checkpoint }: Checkpoint,
  { mode, weights: _, batch: __, input: ___, json: ____, ...given }: ConvertOptions,
): Settings {
  const config = configOf({ source, ...checkpoint });
  if (config !== undefined) {
    const named = Object.keys(given);
    if (named.length > 0)
      throw new ConfigError(`convert: ${source} records its network, got --${named.join(", --")} too; leave out what it records`);
    return mode === undefined ? config.settings : { ...config.settings, mode };
  }
  const saved = savedSettings("convert", { source, ...checkpoint }, given);
  if (saved !== undefined) return resolveSettings("quick", withoutNothing({ ...saved, ...given, mode }));
  if (given.network === undefined && given.depth === undefined)
    throw new ConfigError(
      `convert: ${source} does not say what its network is; describe it, such as --network wrn --depth 16 --width 1 --conv Sep`,
    );
  return resolveSettings("quick", { ...given, ...(mode === undefined ? {} : { mode }) });
}

/** The settings without those that are undefined, which would overwrite the defaults. */
const withoutNothing = (settings: Partial<Settings>): Partial<Settings> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

/** The network that the file or the options describe; undefined where neither does. A file of names and numbers can do without. */
const specFor = (checkpoint: Checkpoint, options: ConvertOptions): NetworkSpec | undefined =>
  configOf(checkpoint) === undefined && options.network === undefined && options.depth === undefined && !describesItself(checkpoint)
    ? undefined
    : networkOf(settingsFor(checkpoint, options));

function networkFrom(checkpoint: Checkpoint, settings: Settings): { readonly network: Network; readonly classes: number } {
  const spec = networkOf(settings);
  const classes = classesOf(checkpoint, spec);
  return { network: restoreNetwork(checkpoint, spec, { classes, mode: settings.mode }), classes };
}

async function writeOnnx(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  await startBackend({ backend: "wasm", threads: 1 });
  const settings = settingsFor(checkpoint, options);
  const { network } = networkFrom(checkpoint, settings);
  const { weights = "contracted", batch = 1 } = options;
  const config = configOf(checkpoint);
  const facts = config && imageFacts(config);
  // A network from elsewhere has the input size of the paper.
  const { input = facts?.size ?? networks[settings.network].input } = options;
  const bytes = await exportOnnx(network, { imageShape: [3, input, input], batch, weights, metadata: facts && metadataOf(facts) });
  return writeBytes(to, bytes, `${formatNetwork(networkOf(settings))} on [${batch},3,${input},${input}], ${weights}`);
}

/** What a program that runs the file must know: the classes, and how images are normalised and cut. */
const metadataOf = ({ classes, mean, std, size, resize }: ImageFacts): Record<string, string> => ({
  classes: JSON.stringify(classes),
  normalization: JSON.stringify({ mean, std }),
  input: JSON.stringify({ size, resize }),
});

async function writeRun(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  const backend = await startBackend({ backend: "wasm", threads: 1 });
  const settings = settingsFor(checkpoint, options);
  const { network, classes } = networkFrom(checkpoint, settings);
  const config = configOf(checkpoint);
  if (config === undefined && !isDataName(settings.data))
    throw new ConfigError(
      `convert: --data must be a data set with a name, got ${settings.data}; --init-from takes weights to other images`,
    );
  const facts = config ? imageFacts(config) : { ...dataFacts(settings.data as DataName), size: imageSide, resize: imageSide };
  const expected = facts.classes.length;
  if (classes !== expected)
    throw new ConfigError(
      `convert: the network of ${checkpoint.source} must have the ${expected} classes of ${settings.data}, ` +
        `got ${classes}; choose with --data`,
    );
  await writeUntrainedRun(to, { preset: "quick", settings, network, facts, backend, converted: { from: checkpoint.source } });
  return { what: `${formatNetwork(networkOf(settings))}, ${plural(network.parameterCount(), "parameter")}` };
}
