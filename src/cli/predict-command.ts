/** `separable predict`: what a trained network takes images for. */

import { Command } from "commander";
import { ConfigError, DataError } from "../core/errors.ts";
import { maximumOf } from "../core/extremes.ts";
import { Random } from "../core/random.ts";
import { augmentImage, createAugmenter } from "../data/augment.ts";
import { decodeImage } from "../data/node/decode-image.ts";
import { classesOf, configOf, findCheckpoint } from "../experiment/find-checkpoint.ts";
import { type DataFacts, dataFacts } from "../experiment/load-images.ts";
import { createNetwork, formatNetwork, networks } from "../experiment/network-spec.ts";
import { presets } from "../experiment/presets.ts";
import { argument, integer, path, type Rule } from "../experiment/rules.ts";
import { familyOptionsOf, networkOf, resolveSettings, type SettingName, type Settings, settingRules } from "../experiment/settings.ts";
import { startBackend } from "../experiment/start-backend.ts";
import { foldBatchNorm } from "../nn/fold-batch-norm.ts";
import { tensor } from "../ops/creation.ts";
import { softmax } from "../ops/softmax.ts";
import { detach, noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { type Checkpoint, restoreModel } from "../train/checkpoint.ts";
import type { Classifier } from "../train/evaluate.ts";
import { bar } from "./class-table.ts";
import type { CommandContext } from "./command-context.ts";
import { formatPercent, plural } from "./format.ts";
import { interruptible, type Output, writeJson } from "./terminal.ts";

interface PredictOptions extends Partial<Settings> {
  readonly checkpoint?: string;
  readonly top?: number;
  readonly input?: number;
  readonly fold: boolean;
  readonly json?: boolean;
}

const settingOptions: readonly (readonly [SettingName, string, string])[] = [
  ["network", "--network <kind>", "what a checkpoint without a configuration holds"],
  ["depth", "--depth <n>", "likewise"],
  ["width", "--width <n>", "likewise"],
  ["conv", "--conv <spec>", "likewise"],
  ["attentionSplit", "--attention-split <n>", "likewise"],
  ["data", "--data <name>", "likewise: what its classes are called, and how its images were normalised"],
  ["batchSize", "--batch-size <n>", "images at a time"],
  ["backend", "--backend <name>", "wasm or reference (default: wasm)"],
  ["threads", "--threads <n>", "of the wasm backend (default: one per core)"],
  ["memoryLimit", "--memory-limit <MiB>", "of the wasm backend (its maximumBytes)"],
];

export function predictCommand(context: CommandContext): Command {
  const command = new Command("predict")
    .description(
      "say what a trained network takes images for. An image is turned upright, laid on white where it is transparent, " +
        "scaled so that its shorter side fits the network's input, and cut to the middle of the longer",
    )
    .argument("<images...>", "PNG and JPEG files")
    .option("--checkpoint <path>", "a run's folder (its best checkpoint), or a checkpoint", argument("predict", "--checkpoint", path))
    .option("--top <k>", "classes to name for each image (default: 3)", argument("predict", "--top", integer({ least: 1 })))
    .option("--input <pixels>", "height and width the network takes", argument("predict", "--input", integer({ least: 1 })))
    .option("--no-fold", "run the batch norms as they are, instead of folding them into the convolutions")
    .option("--json", "print one JSON object per image to stdout");
  for (const [name, flags, description] of settingOptions)
    command.option(flags, description, argument("predict", flags.split(" ")[0]!, settingRules[name] as Rule<unknown>));
  return command.action((images: readonly string[], options: PredictOptions) => predict(images, options, context));
}

async function predict(images: readonly string[], options: PredictOptions, { terminal }: CommandContext): Promise<void> {
  if (options.checkpoint === undefined) throw new ConfigError("predict: needs --checkpoint, a run's folder or a checkpoint, got none");
  const checkpoint = await findCheckpoint(options.checkpoint);
  const settings = settingsFor(options, checkpoint);
  const classes = classesOf(checkpoint);
  const facts = dataFacts(settings.data);
  // A network of another number of classes was trained on something else: then they are numbers.
  const names = facts.classes.length === classes ? facts.classes : Array.from({ length: classes }, (_, label) => String(label));
  // All data sets that are trained on here have images of 32 pixels, whatever the network was made for.
  const { input = checkpoint.config === undefined ? networks[settings.network].input : 32, top = 3, fold } = options;
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      await startBackend(settings);
      const model = createNetwork(
        networkOf(settings),
        classes,
        { random: new Random(0) },
        { ...familyOptionsOf(settings), init: "variance-preserving" },
      );
      restoreModel(model, checkpoint);
      const network = fold ? foldBatchNorm(model) : model;
      if (!options.json) {
        const what = `${formatNetwork(networkOf(settings))}, ${plural(model.parameterCount(), "parameter")}, from ${checkpoint.source}`;
        terminal.stdout.write(`network  ${what}\nimages   the middle, ${input}×${input}\n`);
      }
      for (let first = 0; first < images.length; first += settings.batchSize) {
        const batch = images.slice(first, first + settings.batchSize);
        const pixels = await decodeBatch(batch, input, facts);
        signal.throwIfAborted();
        const shares = await probabilities(network, pixels, [batch.length, 3, input, input]);
        for (const [n, image] of batch.entries()) {
          const ranked = rank(shares.slice(n * classes, (n + 1) * classes), names).slice(0, top);
          if (ranked.some(({ probability }) => !Number.isFinite(probability)))
            throw new DataError(
              `predict: probabilities must be finite, got ${ranked[0]!.probability} for ${image}; ${checkpoint.source} holds numbers that are not, use another`,
            );
          if (options.json) writeJson(terminal.stdout, { image, ...ranked[0]!, probabilities: ranked });
          else writeRanked(terminal.stdout, image, ranked);
        }
      }
    },
  );
}

/** The run's settings; a checkpoint that knows none is taken for what the options say. */
function settingsFor(
  { checkpoint: _, top: __, input: ___, fold: ____, json: _____, ...given }: PredictOptions,
  checkpoint: Checkpoint,
): Settings {
  const recorded = configOf(checkpoint)?.settings;
  // Where it was trained says nothing about where it is used.
  const machine = { backend: presets.quick.backend, threads: undefined, memoryLimit: undefined };
  return recorded === undefined ? resolveSettings("quick", given) : { ...recorded, ...machine, ...given };
}

/** The images, normalised as those the network was trained on.   → [count,3,size,size]. */
async function decodeBatch(files: readonly string[], size: number, { mean, std }: DataFacts): Promise<Float32Array> {
  const augmenter = createAugmenter({ channels: 3, height: size, width: size, mean, std });
  const random = new Random(0);
  const pixels = new Float32Array(files.length * 3 * size * size);
  for (const [n, file] of files.entries()) augmentImage(augmenter, await decodeImage(file, size), 0, pixels, n * 3 * size * size, random);
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

/** The likeliest first; of equals the one of the lower label, as argmax has it. */
const rank = (shares: readonly number[], names: readonly string[]): Guess[] =>
  shares.map((probability, label) => ({ class: names[label]!, probability })).sort((a, b) => b.probability - a.probability);

function writeRanked(output: Output, image: string, ranked: readonly Guess[]): void {
  const width = maximumOf(ranked.map((guess) => guess.class.length));
  const rows = ranked.map(({ class: name, probability }) =>
    `  ${name.padEnd(width)}  ${formatPercent(probability).padStart(7)}  ${bar(probability)}`.trimEnd(),
  );
  output.write(`\n${image}\n${rows.join("\n")}\n`);
}
