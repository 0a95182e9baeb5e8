/** `separable compress`: a trained dense network, its convolutions replaced by their nearest structured ones, as a run of its own. */

import { resolve } from "node:path";
import { Command } from "commander";
import { type CompressedLayer, type Compression, compress } from "../compress/compress.ts";
import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { classesOf, configOf, findCheckpoint } from "../experiment/find-checkpoint.ts";
import { displayName, type Images, loadImages } from "../experiment/load-images.ts";
import { createNetwork, formatNetwork, type Network } from "../experiment/network-spec.ts";
import { presets } from "../experiment/presets.ts";
import { argument, path, type Rule } from "../experiment/rules.ts";
import type { RunConfig } from "../experiment/run-config.ts";
import { testBatches } from "../experiment/session.ts";
import { familyOptionsOf, networkOf, type SettingName, type Settings, settingRules } from "../experiment/settings.ts";
import { startBackend } from "../experiment/start-backend.ts";
import { defaultFolder } from "../experiment/train-run.ts";
import { writeUntrainedRun } from "../experiment/write-run.ts";
import { formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import { type Checkpoint, restoreModel } from "../train/checkpoint.ts";
import { type AttentiveClassifier, type Classifier, type Evaluation, evaluate } from "../train/evaluate.ts";
import { RunFolder } from "../train/node/run-folder.ts";
import type { CommandContext } from "./command-context.ts";
import { formatCount, formatPercent, formatTable, plural } from "./format.ts";
import { type ProgressStyle, progressStyle, startJob } from "./progress.ts";
import { interruptible, type Terminal, writeJson, writeNotes } from "./terminal.ts";

interface CompressOptions extends Partial<Settings> {
  readonly checkpoint: string;
  readonly conv: string;
  readonly out?: string;
  readonly dryRun?: boolean;
  readonly evaluate?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
}

const settingOptions: readonly (readonly [SettingName, string, string])[] = [
  ["mode", "--mode <path>", "auto, factorized or dense: how the new convolutions are applied"],
  ["seed", "--seed <n>", "decides what chance decides: which weights share a hash, where CP begins (default: the run's)"],
  ["epochs", "--epochs <n>", "of the training that `train --resume` will do with it (default: the run's)"],
  ["learningRate", "--learning-rate <rate>", "likewise"],
  ["data", "--data <name>", "test on, and go on training with, this data set (default: the run's)"],
  ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
  ["limitTest", "--limit-test <n>", "test on the first n images"],
  ["depth", "--depth <n>", "of the network in a checkpoint without a configuration"],
  ["width", "--width <n>", "likewise"],
  ["backend", "--backend <name>", `one of ${backendHelp} (default: wasm)`],
  ["threads", "--threads <n>", "of the wasm backend (default: one per core)"],
  ["memoryLimit", "--memory-limit <MiB>", "of the wasm backend (its maximumBytes)"],
];

export function compressCommand(context: CommandContext): Command {
  const command = new Command("compress")
    .description("replace a trained dense network's convolutions by their nearest structured ones")
    .requiredOption("--checkpoint <path>", "a run's folder, or a checkpoint file", argument("compress", "--checkpoint", path))
    .requiredOption("--conv <spec>", "what to replace them by, such as TensorTrain_0.5", argument("compress", "--conv", settingRules.conv))
    .option("--out <path>", "folder to write (default: runs/<time>-<network>)", argument("compress", "--out", path))
    .option("--dry-run", "write nothing")
    .option("--evaluate", "test both networks")
    .option("--json", "print one JSON object to stdout")
    .option("--no-progress", "print no progress to stderr");
  for (const [name, flags, description] of settingOptions)
    command.option(flags, description, argument("compress", flags.split(" ")[0]!, settingRules[name] as Rule<unknown>));
  return command.action((options: CompressOptions) => compressRun(options, context));
}

/** What is known of the dense network: its numbers, the settings it was trained with, and the run they came from, if any. */
interface Source {
  readonly checkpoint: Checkpoint;
  readonly config: RunConfig | undefined;
  readonly settings: Settings;
}

async function compressRun(options: CompressOptions, { terminal }: CommandContext): Promise<void> {
  const style = progressStyle(terminal.stderr, options.progress);
  if (options.dryRun && options.out !== undefined)
    throw new ConfigError("compress: --dry-run writes nothing, got --out too; leave out one of them");
  const spec = parseConvolution(options.conv);
  const source = await readSource(options, terminal);
  const target: Settings = { ...source.settings, conv: formatConvolution(spec) };
  const out = options.dryRun ? undefined : (options.out ?? (await defaultFolder(target)));
  if (out !== undefined) await RunFolder.checkFree(out);
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      const backend = await startBackend(source.settings);
      const dense = createNetwork(networkOf(source.settings), classesOf(source.checkpoint), { random: new Random(0) });
      restoreModel(dense, source.checkpoint);
      const loading = { signal, progress: style, unavailable: "error" } as const;
      const images = options.evaluate ? await loadImages({ ...source.settings, limitTrain: 1 }, terminal, loading) : undefined;
      const classes = classesOf(source.checkpoint);
      if (images !== undefined && images.dataset.classes.length !== classes)
        throw new ConfigError(
          `compress: the test images must be of the network's ${classes} classes, got ${images.dataset.classes.length} in ${images.dataset.name}; choose with --data`,
        );
      const compression = await compressWithProgress(dense, target, { terminal, style, signal });
      const test = (network: Classifier, label: string): Promise<Evaluation | undefined> =>
        images === undefined
          ? Promise.resolve(undefined)
          : evaluateOn(images, network, { label, settings: target, terminal, style, signal });
      const before = await test(dense, "testing the dense network");
      const after = await test(compression.network, "testing the compressed one");
      signal.throwIfAborted();
      if (out !== undefined) {
        const compressed = { from: source.checkpoint.source, relativeError: compression.relativeError };
        const { preset = "quick", fallback } = source.config ?? {};
        await writeUntrainedRun(out, { preset, fallback, compressed, settings: target, network: compression.network, classes, backend });
      }
      const report = { source, target, compression, before, after, images, out };
      if (options.json) reportJson(report, terminal);
      else reportText(report, terminal);
    },
  );
}

async function readSource(options: CompressOptions, terminal: Terminal): Promise<Source> {
  const checkpoint = await findCheckpoint(options.checkpoint);
  writeNotes(terminal, checkpoint.notes);
  const config = configOf(checkpoint);
  if (config === undefined && (options.depth === undefined || options.width === undefined))
    throw new ConfigError(
      `compress: ${checkpoint.source} says nothing of its network, got no --depth and --width; give both, such as --depth 16 --width 1`,
    );
  if (config !== undefined && (options.depth ?? options.width) !== undefined)
    throw new ConfigError(`compress: ${checkpoint.source} knows its network, got --depth or --width too; leave them out`);
  const recorded = config?.settings ?? presets.quick;
  if (recorded.conv !== "Conv")
    throw new ConfigError(
      `compress: the network must be made of dense convolutions (Conv), got ${recorded.conv} in ${checkpoint.source}; name the dense run it should stand for`,
    );
  const isSetting = ([name]: [string, unknown]): boolean => name in settingRules && name !== "conv";
  const given = Object.fromEntries(Object.entries(options).filter(isSetting)) as Partial<Settings>;
  const explicit = given.folder === undefined ? given : { ...given, folder: resolve(given.folder) };
  // Its work is decompositions, on the host: nothing that a device would hurry.
  const machine = { backend: "wasm", threads: undefined, memoryLimit: undefined } as const;
  const elsewhere =
    given.data !== undefined && given.data !== recorded.data ? { folder: undefined, limitTrain: undefined, limitTest: undefined } : {};
  return { checkpoint, config, settings: { ...recorded, ...machine, init: undefined, ...elsewhere, ...explicit } };
}

interface Surroundings {
  readonly terminal: Terminal;
  readonly style: ProgressStyle;
  readonly signal: AbortSignal;
}

async function compressWithProgress(
  dense: Network,
  target: Settings,
  { terminal, style, signal }: Surroundings,
): Promise<Compression<AttentiveClassifier>> {
  let job: ReturnType<typeof startJob> | undefined;
  try {
    return await compress(dense, networkOf(target).convolution, {
      ...familyOptionsOf(target),
      // The one that decomposes nothing: every number is about to be overwritten.
      init: "variance-preserving",
      build: { random: new Random(target.seed) },
      onLayer: async ({ name }, done, total) => {
        job ??= startJob(terminal.stderr, style, { label: "compressing", total });
        job.update(done, name);
        // Ctrl-C arrives when the event loop turns.
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
      },
    });
  } finally {
    job?.stop();
  }
}

async function evaluateOn(
  { dataset }: Images,
  network: Classifier,
  { label, settings, terminal, style, signal }: Surroundings & { readonly label: string; readonly settings: Settings },
): Promise<Evaluation> {
  const job = startJob(terminal.stderr, style, { label, total: dataset.test.count });
  const onNote = (note: string): void => void terminal.stderr.write(`note: ${note}\n`);
  const evaluation = await evaluate(network, testBatches(dataset, settings.batchSize, onNote), {
    imageShape: [dataset.channels, dataset.height, dataset.width],
    classes: dataset.classes.length,
    signal,
    onBatch: async (done) => {
      job.update(done);
      await new Promise((resolve) => setImmediate(resolve));
    },
  }).finally(() => job.stop());
  if (evaluation === undefined) throw signal.reason;
  return evaluation;
}

interface Report {
  readonly source: Source;
  readonly target: Settings;
  readonly compression: Compression<AttentiveClassifier>;
  readonly before: Evaluation | undefined;
  readonly after: Evaluation | undefined;
  readonly images: Images | undefined;
  readonly out: string | undefined;
}

function reportJson({ source, target, compression, before, after, images, out }: Report, { stdout }: Terminal): void {
  const { layers, parametersBefore, parametersAfter, relativeError } = compression;
  const scores = ({ loss, accuracy, count }: Evaluation): object => ({ loss, accuracy, count });
  writeJson(stdout, {
    checkpoint: source.checkpoint.source,
    network: formatNetwork(networkOf(source.settings)),
    compressed: formatNetwork(networkOf(target)),
    parametersBefore,
    parametersAfter,
    compressionRatio: parametersAfter / parametersBefore,
    relativeError,
    layers,
    ...(before && after ? { data: images?.dataset.name, before: scores(before), after: scores(after) } : {}),
    run: out ?? null,
  });
}

const row = ({ name, parametersBefore, parametersAfter, relativeError, separableError, structuredError }: CompressedLayer): string[] => [
  name,
  formatCount(parametersBefore),
  formatCount(parametersAfter),
  ...[relativeError, separableError, structuredError].map(formatPercent),
];

function reportText({ source, target, compression, before, after, images, out }: Report, { stdout, invocation }: Terminal): void {
  const { layers, parametersBefore, parametersAfter, relativeError } = compression;
  const [was, is] = [source.settings, target].map((settings) => formatNetwork(networkOf(settings)));
  stdout.write(`${was} from ${source.checkpoint.source} → ${is}\n\n`);
  const header = ["convolution", "parameters", "now", "error", "by splitting", "by structure"];
  stdout.write(formatTable(header, layers.map(row), ["left", "right", "right", "right", "right", "right"]));
  const share = formatPercent(parametersAfter / parametersBefore);
  stdout.write(
    `\n${plural(parametersBefore, "parameter")} → ${formatCount(parametersAfter)} (${share}); error of all convolutions ${formatPercent(relativeError)}\n`,
  );
  if (before !== undefined && after !== undefined)
    stdout.write(
      `Test accuracy ${formatPercent(before.accuracy)} → ${formatPercent(after.accuracy)} (loss ${before.loss.toFixed(4)} → ${after.loss.toFixed(4)}) ` +
        `on ${plural(after.count, "image")} of ${displayName(images!.dataset.name)}\n`,
    );
  if (out !== undefined) stdout.write(`Written to ${out}. To train it on: ${invocation} train --resume ${out}\n`);
}
