/** `separable convert`: networks to and from the files of other programs: PyTorch's state dicts, NumPy's archives, ONNX graphs. */

import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { classesOf, configOf, findCheckpoint } from "../experiment/find-checkpoint.ts";
import { createNetwork, formatNetwork, type Network, networks } from "../experiment/network-spec.ts";
import { argument, choice, integer, type Rule } from "../experiment/rules.ts";
import { networkOf, resolveSettings, type SettingName, type Settings, settingRules } from "../experiment/settings.ts";
import { startBackend } from "../experiment/start-backend.ts";
import { writeUntrainedRun } from "../experiment/write-run.ts";
import { decodeNpz, encodeNpz } from "../interchange/npz.ts";
import { exportOnnx } from "../interchange/onnx/export-onnx.ts";
import type { Mode } from "../structured/structured-linear.ts";
import { type Checkpoint, restoreModel } from "../train/checkpoint.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { encodeSafetensors, type NamedArray } from "../train/safetensors.ts";
import type { CommandContext } from "./command-context.ts";
import { formatMegabytes, plural } from "./format.ts";
import { writeJson } from "./terminal.ts";

const weightForms = ["contracted", "folded"] as const;

interface ConvertOptions extends Partial<Pick<Settings, "network" | "depth" | "width" | "conv" | "attentionSplit" | "data">> {
  readonly mode?: Mode;
  readonly weights?: (typeof weightForms)[number];
  readonly batch?: number;
  readonly input?: number;
  readonly json?: boolean;
}

const sizeOptions: readonly (readonly [SettingName, string, string])[] = [
  ["network", "--network <kind>", "what a file that says nothing of its network holds"],
  ["depth", "--depth <n>", "likewise"],
  ["width", "--width <n>", "likewise"],
  ["conv", "--conv <spec>", "likewise"],
  ["attentionSplit", "--attention-split <n>", "likewise"],
  ["data", "--data <name>", "likewise: what its classes are (cifar10, cifar100)"],
  ["mode", "--mode <name>", "onnx: structured layers are written as auto, factorized or dense would compute them"],
];

export function convertCommand(context: CommandContext): Command {
  const command = new Command("convert")
    .description("turn a network into another program's file, or such a file into a run")
    .argument("<from>", "a run, a checkpoint, a .safetensors of a PyTorch state dict, or an .npz")
    .argument("<to>", "a file .safetensors (PyTorch's names), .npz or .onnx; or a folder, for a run to eval, predict or train on");
  for (const [name, flags, description] of sizeOptions)
    command.option(flags, description, argument("convert", flags.split(" ")[0]!, settingRules[name] as Rule<unknown>));
  return command
    .option(
      "--weights <form>",
      "onnx: weights contracted as here, or folded into one",
      argument("convert", "--weights", choice(weightForms)),
    )
    .option("--batch <n>", "onnx: images a call takes (default: 1)", argument("convert", "--batch", integer({ least: 1 })))
    .option("--input <pixels>", "onnx: height and width of an image", argument("convert", "--input", integer({ least: 1 })))
    .option("--json", "print one JSON object to stdout")
    .action((from: string, to: string, options: ConvertOptions) => convert(from, to, options, context));
}

async function convert(from: string, to: string, options: ConvertOptions, { terminal }: CommandContext): Promise<void> {
  const checkpoint = await readNetwork(from);
  const written = await write(to, checkpoint, options);
  if (options.json) writeJson(terminal.stdout, { from, to, ...written });
  else terminal.stdout.write(`${from} → ${to}: ${written.what}\n`);
}

async function readNetwork(path: string): Promise<Checkpoint> {
  if (extname(path) !== ".npz") return findCheckpoint(path);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new ConfigError(`convert: ${path} must be readable, got ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  return { source: path, model: decodeNpz(bytes, path), training: undefined, frozen: [], config: undefined, sha256: "" };
}

interface Written {
  readonly what: string;
  readonly bytes?: number;
}

async function write(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  const extension = extname(to);
  const arrays = checkpoint.model as ReadonlyMap<string, NamedArray>;
  if (extension === ".safetensors") return writeBytes(to, encodeSafetensors(arrays), plural(arrays.size, "tensor"));
  if (extension === ".npz") return writeBytes(to, encodeNpz(arrays), plural(arrays.size, "array"));
  if (extension === ".onnx") return writeOnnx(to, checkpoint, options);
  return writeRun(to, checkpoint, options);
}

async function writeBytes(path: string, bytes: Uint8Array, what: string): Promise<Written> {
  await writeFileAtomic(path, bytes);
  return { what: `${what}, ${formatMegabytes(bytes.length)}`, bytes: bytes.length };
}

/** Of a run its own settings, of other files what the options say. */
function settingsFor(
  { source, ...checkpoint }: Checkpoint,
  { mode, weights: _, batch: __, input: ___, json: ____, ...given }: ConvertOptions,
): Settings {
  const config = configOf({ source, ...checkpoint });
  if (config !== undefined) {
    const named = Object.keys(given);
    if (named.length > 0)
      throw new ConfigError(`convert: ${source} knows its network, got --${named.join(", --")} too; leave out what is known already`);
    return mode === undefined ? config.settings : { ...config.settings, mode };
  }
  if (given.network === undefined && given.depth === undefined)
    throw new ConfigError(`convert: ${source} says nothing of its network; name it, such as --network wrn --depth 16 --width 1 --conv Sep`);
  return resolveSettings("quick", { ...given, ...(mode === undefined ? {} : { mode }) });
}

function networkFrom(checkpoint: Checkpoint, settings: Settings): { readonly network: Network; readonly classes: number } {
  const classes = classesOf(checkpoint);
  const { mode = "auto" } = settings;
  // Its numbers are overwritten, so the initialisation that decomposes nothing.
  const network = createNetwork(networkOf(settings), classes, { random: new Random(0) }, { init: "variance-preserving", mode });
  restoreModel(network, checkpoint);
  return { network, classes };
}

async function writeOnnx(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  await startBackend({ backend: "wasm", threads: 1 });
  const settings = settingsFor(checkpoint, options);
  const { network } = networkFrom(checkpoint, settings);
  const { weights = "contracted", batch = 1 } = options;
  // Networks of the paper's ImageNet part are trained on CIFAR's 32 pixels here, unless the file comes from elsewhere.
  const { input = checkpoint.config === undefined ? networks[settings.network].input : 32 } = options;
  const bytes = await exportOnnx(network, { imageShape: [3, input, input], batch, weights });
  return writeBytes(to, bytes, `${formatNetwork(networkOf(settings))} on [${batch},3,${input},${input}], ${weights}`);
}

async function writeRun(to: string, checkpoint: Checkpoint, options: ConvertOptions): Promise<Written> {
  const backend = await startBackend({ backend: "wasm", threads: 1 });
  const settings = settingsFor(checkpoint, options);
  const { network, classes } = networkFrom(checkpoint, settings);
  const expected = settings.data === "cifar100" ? 100 : 10;
  if (classes !== expected)
    throw new ConfigError(
      `convert: the network of ${checkpoint.source} must know the ${expected} classes of ${settings.data}, got ${classes}; choose with --data`,
    );
  await writeUntrainedRun(to, { preset: "quick", settings, network, classes, backend, converted: { from: checkpoint.source } });
  return { what: `${formatNetwork(networkOf(settings))}, ${plural(network.parameterCount(), "parameter")}` };
}
