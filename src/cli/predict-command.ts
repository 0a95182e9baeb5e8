/** `separable predict`: classifies image files with a trained network. */

import type { Command } from "commander";
import { ConfigError, DataError } from "../core/errors.ts";
import { largest } from "../core/extent.ts";
import { Random } from "../core/random.ts";
import { augmentImage, createAugmenter } from "../data/augment.ts";
import { decodeImage } from "../data/node/decode-image.ts";
import type { DataFacts } from "../experiment/data-facts.ts";
import { checkpointFacts } from "../experiment/node/checkpoint-facts.ts";
import { findCheckpoint } from "../experiment/node/find-checkpoint.ts";
import { startBackend } from "../experiment/node/start-backend.ts";
import { anyMachine, presets } from "../experiment/presets.ts";
import { integer } from "../experiment/rules.ts";
import { configOf } from "../experiment/run-config.ts";
import { checkLogits, describesItself, restoreNamed } from "../experiment/saved-network.ts";
import type { Settings } from "../experiment/setting-rules.ts";
import { resolveSettings } from "../experiment/settings.ts";
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
import { type Output, printableLine } from "./printable-output.ts";
import { addRunOptions, type RunOptions, runOf } from "./run-argument.ts";
import { addSettingOptions, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible, type Terminal, writeJson, writeNote, writeNotes } from "./terminal.ts";

interface PredictOptions extends Partial<Settings>, RunOptions {
  readonly top?: number;
  readonly input?: number;
  readonly fold: boolean;
  readonly json?: boolean;
}

const settingOptions: readonly SettingOption[] = [
  ["network", "--network <kind>", "the network, for a checkpoint without a configuration"],
  ["depth", "--depth <n>", "its depth, for a checkpoint without a configuration"],
  ["width", "--width <n>", "its width, for a checkpoint without a configuration"],
  ["widths", "--widths <a,b,c>", "its widths, if it is fast, for a checkpoint without a configuration"],
  ["conv", "--conv <spec>", "its convolutions, for a checkpoint without a configuration"],
  ["attentionSplit", "--attention-split <n>", "its attention maps in each group, for a checkpoint without a configuration"],
  ["data", "--data <name>", "the data set or folder whose class names and normalisation it has, for a checkpoint without a configuration"],
  ["mean", "--mean <r,g,b>", "with a folder: what is subtracted from the pixels, scaled to [0, 1], for such a checkpoint"],
  ["std", "--std <r,g,b>", "with a folder: what they are divided by, for such a checkpoint"],
  ["batchSize", "--batch-size <n>", "images at a time"],
  ["backend", "--backend <name>", "wasm or reference (default: wasm)"],
  ...machineOptions,
];

export function predictCommand(command: Command, context: CommandContext): void {
  command
    .option(
      "--top <k>",
      "classes to name for each image (default: 3)",
      argument("predict", "--top", integer({ least: 1, most: 1_000_000 })),
    )
    .option(
      "--input <pixels>",
      "height and width of the network's input",
      argument("predict", "--input", integer({ least: 1, most: 4096 })),
    )
    .option("--no-fold", "run the batch norms as they are, instead of folding them into the convolutions")
    .option("--json", "print one JSON object per image to stdout");
  addRunOptions(command);
  addSettingOptions(command, settingOptions);
  command.action((run: string | undefined, rest: readonly string[], options: PredictOptions) => {
    // Beside --checkpoint, an older name of the run, every argument is an image.
    const named = (options.checkpoint ?? options.run) !== undefined;
    const images = named && run !== undefined ? [run, ...rest] : rest;
    return predict(runOf("predict", named ? undefined : run, options), images, options, context);
  });
}

async function predict(path: string, images: readonly string[], options: PredictOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  if (images.length === 0)
    throw new ConfigError("predict: needs images after the run, got none; write separable predict runs/… cat.jpg dog.png");
  const checkpoint = await findCheckpoint(path);
  writeNotes(terminal, checkpoint.notes);
  const given = settingsIn(options);
  const settings = settingsFor(given, checkpoint);
  const facts = await checkpointFacts("predict", checkpoint, settings, { ...given, imageSize: options.input });
  const { input = facts.size, top = 3, fold } = options;
  const view = { size: input, resize: Math.max(input, Math.round((input * facts.resize) / facts.size)) };
  await interruptible(
    terminal,
    () => undefined,
    async (signal) => {
      await startBackend(settings);
      const { model, name } = restoreNamed("predict", checkpoint, settings, given);
      const network = fold ? foldBatchNorm(model) : model;
      if (!options.json) {
        const what = `${name}, ${plural(model.parameterCount(), "parameter")}, from ${checkpoint.source}`;
        terminal.stdout.write(`network  ${what}\nimages   the middle, ${input}×${input}\n`);
      }
      let failed = 0;
      for (let first = 0; first < images.length; first += settings.batchSize) {
        const { rows, count, pixels } = await decodeBatch(images.slice(first, first + settings.batchSize), view, facts);
        signal.throwIfAborted();
        failed += rows.length - count;
        const { shares, classes } = await probabilities(network, pixels, [count, 3, input, input], checkpoint.source);
        // A network with another number of classes was trained on other data. Its classes are called by their numbers.
        const names = facts.classes.length === classes ? facts.classes : Array.from({ length: classes }, (_, label) => String(label));
        for (const { image, row } of rows) {
          if (row instanceof DataError) {
            reportFailure(image, row, terminal, options.json === true);
            continue;
          }
          const ranked = rank(shares.slice(row * classes, (row + 1) * classes), names).slice(0, top);
          if (ranked.some(({ probability }) => !Number.isFinite(probability)))
            throw new DataError(
              `predict: probabilities must be finite, got ${ranked[0]!.probability} for ${image}; ` +
                `${checkpoint.source} holds numbers that are not finite, use another checkpoint`,
            );
          if (options.json) writeJson(terminal.stdout, { image, ...ranked[0]!, probabilities: ranked });
          else writeRanked(terminal.stdout, image, ranked);
        }
      }
      if (failed > 0) context.exitCode = 1;
      if (failed > 0 && !options.json) writeNote(terminal, `${failed} of ${plural(images.length, "image")} could not be read`);
    },
  );
}

/** The settings of the run, overwritten by the options. For a checkpoint without a configuration, the options describe the network. */
function settingsFor(given: Partial<Settings>, checkpoint: Checkpoint): Settings {
  const recorded = configOf(checkpoint)?.settings;
  if (recorded !== undefined) return { ...recorded, ...anyMachine, ...given };
  // A file that describes its network needs no settings of a network, so these are not checked.
  return describesItself(checkpoint) ? { ...presets.quick, ...given } : resolveSettings("quick", given);
}

interface DecodedBatch {
  /** Each image with its row of the pixels, or with the reason why it has none. */
  readonly rows: readonly { readonly image: string; readonly row: number | DataError }[];
  /** The number of images that were decoded. */
  readonly count: number;
  /** [count,3,size,size]. */
  readonly pixels: Float32Array;
}

/** Decodes images and normalises them as the training images were. An image that cannot be decoded does not stop the others. */
async function decodeBatch(
  images: readonly string[],
  view: { readonly size: number; readonly resize: number },
  { mean, std }: DataFacts,
): Promise<DecodedBatch> {
  const { size } = view;
  const augmenter = createAugmenter({ channels: 3, height: size, width: size, mean, std });
  const random = new Random(0);
  const length = 3 * size * size;
  const pixels = new Float32Array(images.length * length);
  const rows: { image: string; row: number | DataError }[] = [];
  let count = 0;
  for (const image of images)
    try {
      augmentImage(augmenter, await decodeImage(image, view), 0, pixels, count * length, random);
      rows.push({ image, row: count++ });
    } catch (error) {
      // Any other error, such as a package that is not installed, would come back with every image.
      if (!(error instanceof DataError)) throw error;
      rows.push({ image, row: error });
    }
  return { rows, count, pixels: pixels.subarray(0, count * length) };
}

/** With --json, the line of an image that cannot be decoded is in the place of its prediction. */
function reportFailure(image: string, { name, message }: DataError, { stdout, stderr }: Terminal, json: boolean): void {
  if (json) writeJson(stdout, { image, error: { name, message } });
  else stderr.write(`separable: ${name}: ${printableLine(message)}\n`);
}

/** The probabilities of all classes, image by image, and the number of the classes. */
async function probabilities(
  network: Classifier,
  pixels: Float32Array,
  shape: readonly number[],
  source: string,
): Promise<{ shares: number[]; classes: number }> {
  const [count] = shape as [number];
  if (count === 0) return { shares: [], classes: 0 };
  const shares = scope(() => {
    const logits = noGrad(() => detach(network.forward(tensor(pixels, { shape }), { training: false })));
    checkLogits("predict", source, logits.shape, count);
    return noGrad(() => softmax(logits));
  });
  const values = Array.from(await shares.data());
  shares.dispose();
  return { shares: values, classes: values.length / count };
}

interface Guess {
  readonly class: string;
  readonly probability: number;
}

/** The classes by falling probability. Of equal probabilities the lower label comes first, as argmax has it. */
const rank = (shares: readonly number[], names: readonly string[]): Guess[] =>
  shares.map((probability, label) => ({ class: names[label]!, probability })).sort((a, b) => b.probability - a.probability);

function writeRanked(output: Output, image: string, ranked: readonly Guess[]): void {
  const width = largest(ranked.map((guess) => printableLine(guess.class).length));
  const rows = ranked.map(({ class: name, probability }) =>
    `  ${printableLine(name).padEnd(width)}  ${formatPercent(probability).padStart(7)}  ${bar(probability)}`.trimEnd(),
  );
  output.write(`\n${printableLine(image)}\n${rows.join("\n")}\n`);
}
