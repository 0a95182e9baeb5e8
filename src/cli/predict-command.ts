/** `separable predict`: classifies image files with a trained network. */

import type { Command } from "commander";
import { ConfigError, DataError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { augmentImage, createAugmenter } from "../data/augment.ts";
import { decodeImage } from "../data/node/decode-image.ts";
import type { DataFacts } from "../experiment/data-facts.ts";
import { formatNetwork } from "../experiment/network-spec.ts";
import { checkpointFacts } from "../experiment/node/checkpoint-facts.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { presets } from "../experiment/presets.ts";
import { classesOf, restoreNetwork } from "../experiment/restore-network.ts";
import { integer, path } from "../experiment/rules.ts";
import { configOf } from "../experiment/run-config.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { networkOf, resolveSettings } from "../experiment/settings.ts";
import { foldBatchNorm } from "../nn/fold-batch-norm.ts";
import { tensor } from "../ops/creation.ts";
import { softmax } from "../ops/softmax.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Classifier } from "../train/evaluate.ts";
import { argument } from "./argument.ts";
import { bar } from "./class-table.ts";
import type { CommandContext } from "./command.ts";
import { formatPercent, plural } from "./format.ts";
import { addSettingOptions, machineOptions, type SettingOption } from "./setting-options.ts";
import { interruptible, type Output, writeJson } from "./terminal.ts";

interface PredictOptions extends Partial<Settings> {
  readonly checkpoint?: string;
  readonly top?: number;
  readonly input?: number;
  readonly fold: boolean;
  readonly json?: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["network", "--network <kind>", "the network of a checkpoint without a configuration"],
  ["depth", "--depth <n>", "the depth of such a network"],
  ["width", "--width <n>", "the width of such a network"],
  ["conv", "--conv <spec>", "the convolutions of such a network"],
  ["attentionSplit", "--attention-split <n>", "the attention maps of such a network"],
  ["data", "--data <name>", "the data set, or the folder of images, that gives such a network the names of its classes"],
  ["mean", "--mean <r,g,b>", "with a folder: what is subtracted from the pixels of such a network, scaled to [0, 1]"],
  ["std", "--std <r,g,b>", "with a folder: what they are divided by"],
  ["batchSize", "--batch-size <n>", "images at a time"],
  ["backend", "--backend <name>", "wasm or reference (default: wasm)"],
  ...machineOptions,
];

export function predictCommand(command: Command, context: CommandContext): void {
  command
    .option("--checkpoint <path>", "a run's folder (its best checkpoint), or a checkpoint", argument("predict", "--checkpoint", path))
    .option("--top <k>", "classes to name for each image (default: 3)", argument("predict", "--top", integer({ least: 1 })))
    .option("--input <pixels>", "height and width of the network's input", argument("predict", "--input", integer({ least: 1 })))
    .option("--no-fold", "run the batch norms as they are, instead of folding them into the convolutions")
    .option("--json", "print one JSON object per image to stdout");
  addSettingOptions(command, settingOptions);
  command.action((images: readonly string[], options: PredictOptions) => predict(images, options, context));
}

async function predict(images: readonly string[], options: PredictOptions, { terminal }: CommandContext): Promise<void> {
  if (options.checkpoint === undefined) throw new ConfigError("predict: needs --checkpoint, a run's folder or a checkpoint, got none");
  const checkpoint = await findCheckpoint(options.checkpoint);
  const settings = settingsFor(options, checkpoint);
  const spec = networkOf(settings);
  const classes = classesOf(checkpoint, spec);
  const facts = await checkpointFacts("predict", checkpoint, settings);
  // A network with another number of classes was trained on other data. Its classes are called by their numbers.
  const names = facts.classes.length === classes ? facts.classes : Array.from({ length: classes }, (_, label) => String(label));
  const { input = facts.size, top = 3, fold } = options;
  const view = { size: input, resize: Math.max(input, Math.round((input * facts.resize) / facts.size)) };
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      await startBackend(settings);
      const model = restoreNetwork(checkpoint, spec, { classes, mode: settings.mode });
      const network = fold ? foldBatchNorm(model) : model;
      if (!options.json) {
        const what = `${formatNetwork(spec)}, ${plural(model.parameterCount(), "parameter")}, from ${checkpoint.source}`;
        terminal.stdout.write(`network  ${what}\nimages   the middle, ${input}×${input}\n`);
      }
      for (let first = 0; first < images.length; first += settings.batchSize) {
        const batch = images.slice(first, first + settings.batchSize);
        const pixels = await decodeBatch(batch, view, facts);
        signal.throwIfAborted();
        const shares = await probabilities(network, pixels, [batch.length, 3, input, input]);
        for (const [n, image] of batch.entries()) {
          const ranked = rank(shares.slice(n * classes, (n + 1) * classes), names).slice(0, top);
          if (ranked.some(({ probability }) => !Number.isFinite(probability)))
            throw new DataError(
              `predict: probabilities must be finite, got ${ranked[0]!.probability} for ${image}; ` +
                `${checkpoint.source} holds numbers that are not finite, use another checkpoint`,
            );
          if (options.json) writeJson(terminal.stdout, { image, ...ranked[0]!, probabilities: ranked });
          else writeRanked(terminal.stdout, image, ranked);
        }
      }
    },
  );
}

/** The settings of the run, overwritten by the options. For a checkpoint without a configuration, the options describe the network. */
function settingsFor(
  { checkpoint: _, top: __, input: ___, fold: ____, json: _____, ...given }: PredictOptions,
  checkpoint: Checkpoint,
): Settings {
  const recorded = configOf(checkpoint)?.settings;
  // The prediction may run on another machine than the training.
  const machine = { backend: presets.quick.backend, threads: undefined, memoryLimit: undefined };
  return recorded === undefined ? resolveSettings("quick", given) : { ...recorded, ...machine, ...given };
}

/** Decodes images and normalises them as the training images were.   → [count,3,size,size]. */
async function decodeBatch(
  files: readonly string[],
  view: { readonly size: number; readonly resize: number },
  { mean, std }: DataFacts,
): Promise<Float32Array> {
  const { size } = view;
  const augmenter = createAugmenter({ channels: 3, height: size, width: size, mean, std });
  const random = new Random(0);
  const pixels = new Float32Array(files.length * 3 * size * size);
  for (const [n, file] of files.entries()) augmentImage(augmenter, await decodeImage(file, view), 0, pixels, n * 3 * size * size, random);
  return pixels;
}

async function probabilities(network: Classifier, pixels: Float32Array, shape: readonly number[]): Promise<number[]> {
  const shares = scope(() => noGrad(() => detach(softmax(network.forward(tensor(pixels, { shape }), { training: false })))));
  const values = Array.from(await shares.data());
  shares.dispose();
  return values;
}

interface Guess {
  readonly class: string;
  readonly probability: number;
}

/** The classes by falling probability. Of equal probabilities the lower label comes first, as argmax has it. */
const rank = (shares: readonly number[], names: readonly string[]): Guess[] =>
  shares.map((probability, label) => ({ class: names[label]!, probability })).sort((a, b) => b.probability - a.probability);

function writeRanked(output: Output, image: string, ranked: readonly Guess[]): void {
  const width = Math.max(...ranked.map((guess) => guess.class.length));
  const rows = ranked.map(({ class: name, probability }) =>
    `  ${name.padEnd(width)}  ${formatPercent(probability).padStart(7)}  ${bar(probability)}`.trimEnd(),
  );
  output.write(`\n${image}\n${rows.join("\n")}\n`);
}
