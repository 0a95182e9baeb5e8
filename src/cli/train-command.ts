/** `separable train`: begins a run, or resumes one. */

import type { Command } from "commander";
import { ConfigError } from "../core/errors.ts";
import { backendHelp } from "../experiment/backend-names.ts";
import { budgetKinds } from "../experiment/budget.ts";
import { Interruption } from "../experiment/interruption.ts";
import { networkKinds } from "../experiment/network-spec.ts";
import { refuseFixed, resumeRun } from "../experiment/node/resume-run.ts";
import { usualRates } from "../experiment/node/search-rate.ts";
import { type StartOptions, startRun } from "../experiment/node/start-run.ts";
import type { TrainObserver } from "../experiment/node/train-observer.ts";
import { presetNames, presetSummaries, presets } from "../experiment/presets.ts";
import { choice, integer, path, type Rule } from "../experiment/rules.ts";
import { optionName, type SettingName, type Settings, settingRules } from "../experiment/setting-rules.ts";
import { fastNetLimits } from "../models/fast-net.ts";
import type { Profile } from "../nn/profile.ts";
import { convolutionForms } from "../structured/convolution-text.ts";
import { argument } from "./argument.ts";
import type { CommandContext } from "./command.ts";
import { printRate, usualPlot } from "./find-rate.ts";
import { writeTrace } from "./profile-table.ts";
import { progressStyle } from "./progress.ts";
import { longFlag, machineOptions, type SettingOption, settingsIn } from "./setting-options.ts";
import { interruptible } from "./terminal.ts";
import { jsonReporter, textReporter } from "./train-report.ts";
import { downloadBars } from "./with-progress.ts";

interface TrainCommandOptions extends StartOptions, Partial<Settings> {
  readonly resume?: string;
  readonly json?: boolean;
  readonly progress: boolean;
  /** The file that gets the trace of the profile. */
  readonly trace?: string;
  /** The file of the plot of a search for a learning rate; `true` for its default. */
  readonly findRate?: string | true;
}

const optionGroups: readonly (readonly [heading: string, rows: readonly SettingOption[]])[] = [
  [
    "Data:",
    [
      ["data", "--data <name>", "cifar10, cifar100, synthetic, or a folder of images such as ./pictures (docs/own-images.md)"],
      ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
      ["limitTrain", "--limit-train <n>", "train on the first n images"],
      ["limitTest", "--limit-test <n>", "test on the first n images"],
      ["imageSize", "--image-size <pixels>", "own images: height and width (default: the network's, 32 or 224)"],
      ["testShare", "--test-share <share>", "own images without train/ and val/: share of each class to test on (default: 0.2)"],
      ["onBadImage", "--on-bad-image <name>", "own images: error or skip, for one that cannot be decoded (default: error)"],
      ["mean", "--mean <r,g,b>", "own images: what is subtracted from pixels in [0, 1] (default: the mean of the training images)"],
      ["std", "--std <r,g,b>", "own images: what they are divided by (default: the standard deviation of the training images)"],
      [
        "augment",
        "--augment <list>",
        "crop:4 or translate:2, flip or flip:alternating, cutout:16, mixup:0.2, any of them, or none; own images: resized-crop too",
      ],
    ],
  ],
  [
    "Network:",
    [
      ["network", "--network <kind>", networkKinds.join(", ")],
      ["depth", "--depth <n>", "wrn: layers, 6n + 4; darts: cells"],
      ["width", "--width <n>", "wrn: channels are 16, 32 and 64 times this; darts: channels of the first cells"],
      ["widths", "--widths <a,b,c>", `fast: channels of the three groups (with --network fast: ${fastNetLimits.widths.join(",")})`],
      ["conv", "--conv <spec>", `what each 3×3 convolution is made of: ${convolutionForms}`],
      ["init", "--init <name>", "initialisation of structured layers: reference, spectral or variance-preserving"],
      ["mode", "--mode <name>", "how structured layers compute: auto, factorized or dense"],
      ["dropout", "--dropout <rate>", "dropout rate. wrn: inside the blocks; mobilenet-v2: before the classifier"],
      ["dropPath", "--drop-path <rate>", "darts: drop-path rate of the last epoch; the rate rises linearly from 0"],
      ["auxiliary", "--auxiliary <weight>", "darts: weight of the loss of a second classifier in training (0.4 in the paper)"],
      ["attentionSplit", "--attention-split <n>", "wrn: attention maps in each group of blocks (AT_split)"],
    ],
  ],
  [
    "Fine-tuning:",
    [["initFrom", "--init-from <run>", "begin with the network and the weights of this run; other classes get a new classifier"]],
  ],
  [
    "Teacher:",
    [
      ["teacher", "--teacher <run>", "learn from the network of this run too"],
      ["beta", "--beta <weight>", "weight of attention transfer (with a teacher: 1000)"],
      ["alpha", "--alpha <share>", "share of the teacher's probabilities in the loss; the labels have the rest (with a teacher: 0)"],
      ["temperature", "--temperature <T>", "softmax temperature of teacher and student (with a teacher: 4)"],
      ["teacherCache", "--teacher-cache <folder>", "keep what the teacher computes, for other students with the same batches"],
    ],
  ],
  [
    "Recipe:",
    [
      ["epochs", "--epochs <n>", "passes over the training images"],
      ["batchSize", "--batch-size <n>", "images per step"],
      ["dropLast", "--drop-last", "leave out an epoch's last batch if it is smaller (default: only if it would have one image)"],
      ["optimizer", "--optimizer <name>", "sgd, adam, adamw or muon"],
      ["learningRate", "--learning-rate <rate>", "the peak (one-cycle, triangular) or the first value (other schedules)"],
      ["momentum", "--momentum <m>", "momentum of sgd and muon"],
      ["nesterov", "--nesterov", "Nesterov momentum, for sgd and muon"],
      ["iterations", "--iterations <n>", "muon: Newton–Schulz iterations of a step (with muon: 5)"],
      ["normalise", "--normalise", "muon: scale each weight of n rows to the norm √n before its step"],
      ["normRate", "--norm-rate <f>", "factor of the rate of the norms' scales and shifts; divides their decay (usual: 1)"],
      ["classifierRate", "--classifier-rate <f>", "the same factor for the classifier (usual: 1)"],
      ["vectorRate", "--vector-rate <f>", "the same factor for other weights that are vectors, as ACDC's diagonals (usual: 1)"],
      ["lookahead", "--lookahead <d>", "every five steps, keep up to this share of a slow average of the weights (usual: off)"],
      ["ema", "--ema <decay>", "keep a moving average of the weights, such as 0.999, and test it too (usual: off)"],
      ["weightDecay", "--weight-decay <rate>", "L2 penalty (decoupled for adamw)"],
      ["crs", "--crs", "scale the decay of structured layers by the compression ratio"],
      ["frobeniusDecay", "--frobenius-decay", "decay the product of the factors instead of the factors"],
      ["structuredRates", "--structured-rates", "a rate of its own for each factor (arXiv 2406.06248; usual: with muon)"],
      ["schedule", "--schedule <name>", "one-cycle, triangular, cosine or multi-step"],
      ["warmup", "--warmup <share>", "share of the run before the peak (one-cycle: 0.3, triangular: 0.23)"],
      ["startRate", "--start-rate <share>", "triangular: the first rate as a share of the peak (usual: 0.2)"],
      ["endRate", "--end-rate <share>", "triangular: the last rate as a share of the peak (usual: 0.07)"],
      ["milestones", "--milestones <epochs>", "epochs after which multi-step lowers the rate, such as 60,120,160"],
      ["factor", "--factor <f>", "the factor by which multi-step multiplies the rate"],
      ["labelSmoothing", "--label-smoothing <share>", "probability that is spread over all classes"],
      ["seed", "--seed <n>", "seed of initial weights, order, augmentation and dropout"],
    ],
  ],
  [
    "Machine:",
    [
      [
        "backend",
        "--backend <name>",
        `${backendHelp}. gpu: the first device that runs; auto: the faster of gpu and wasm; reference: slow, for checking`,
      ],
      ...machineOptions,
      ["evaluateEvery", "--evaluate-every <n>", "test after every n epochs, and after the last"],
    ],
  ],
];

/** Switches, each with the option that turns it off. */
const negated = {
  dropLast: ["--no-drop-last", "keep the last batch"],
  nesterov: ["--no-nesterov", "plain momentum"],
  normalise: ["--no-normalise", "leave the weights as they are"],
  crs: ["--no-crs", "decay structured layers like all others"],
  frobeniusDecay: ["--no-frobenius-decay", "decay the factors"],
  structuredRates: ["--no-structured-rates", "the same rate for all factors"],
} as const;

/** The rule of a setting. --conv takes a family alone too, since `startRun` checks that a budget is given beside it. */
const ruleOf = (name: SettingName): Rule<unknown> => {
  const rule: Rule<unknown> = settingRules[name];
  return name === "conv" ? { ...rule, parse: (text) => rule.parse(text) ?? budgetKinds.find((kind) => kind === text) } : rule;
};

export function trainCommand(command: Command, context: CommandContext): void {
  const presetHelp = presetNames.map((name) => `${name} (${presetSummaries[name]})`).join(", ");
  command
    .optionsGroup("Run:")
    .option(
      "--preset <name>",
      `recipe to start from: ${presetHelp}. Other options overwrite its values`,
      argument("train", "--preset", choice(presetNames)),
    )
    .option("--run <path>", "folder to write (default: runs/<time>-<network>)", argument("train", "--run", path))
    .option("--resume <run>", "resume a run, bit for bit; with --epochs, prolong it", argument("train", "--resume", path))
    .option(
      "--keep <n>",
      "checkpoints to keep, the newest included; --resume goes on from the newest one that is not damaged (default: 2)",
      argument("train", "--keep", integer({ least: 1, most: 1000 })),
    )
    .option("--steps <n>", "stop, resumable, after n steps in all", argument("train", "--steps", integer({ least: 0, most: 1e12 })))
    .option(
      "--budget <parameters>",
      "largest number of parameters; it chooses the hyper-parameter of --conv, which is then a family such as TensorTrain",
      argument("train", "--budget", integer({ least: 1, most: 1e12 })),
    )
    .option("--tensorboard", "write TensorBoard's event files into the run's folder too")
    .option("--detect-anomaly", "stop at the first op that computes NaN or an infinity, and name its layer (slower; wasm or reference)")
    .option("--profile", "profile the fourth step, kernel by kernel and layer by layer, and train on (wasm or reference)")
    .option("--trace <file>", "write the profile as a trace for chrome://tracing and Perfetto too", argument("train", "--trace", path))
    .option(
      "--find-rate [file]",
      `train ${usualRates} steps (--steps) at rising rates, suggest one, and plot the losses (default file: ${usualPlot}); no run is written`,
      argument("train", "--find-rate", path),
    )
    .option("--offline", "download nothing")
    .option("--json", "print JSON lines to stdout")
    .option("--no-progress", "print no progress to stderr");
  for (const [heading, rows] of optionGroups) {
    command.optionsGroup(heading);
    for (const [name, flags, description] of rows) {
      const usual = presets.quick[name];
      const text = usual === undefined ? description : `${description} (default: ${usual})`;
      if (name in negated) {
        const [off, meaning] = negated[name as keyof typeof negated];
        command.option(flags, text).option(off, meaning);
      } else command.option(flags, text, argument("train", longFlag(flags), ruleOf(name)));
    }
  }
  command.action((options: TrainCommandOptions) => train(options, context));
}

/** Options that belong to a run, which a search for a rate does not write. */
const ofRuns = ["resume", "run", "budget", "keep", "tensorboard", "detectAnomaly", "profile", "trace"] as const;

async function findRateOnly(options: TrainCommandOptions & { findRate: string | true }, context: CommandContext): Promise<void> {
  const excess = ofRuns.filter((name) => options[name] !== undefined);
  if (excess.length > 0)
    throw new ConfigError(`train: --find-rate writes no run, got ${excess.map(optionName).join(", ")} too; leave out one`);
  await printRate(settingsIn(options), options, context);
}

async function train(options: TrainCommandOptions, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { trace, findRate } = options;
  if (findRate !== undefined) return findRateOnly({ ...options, findRate }, context);
  if (trace !== undefined && !options.profile) throw new ConfigError("train: --trace needs --profile, got --trace alone; add --profile");
  let profiled: Profile | undefined;
  const style = progressStyle(terminal.stderr, options.progress);
  const reporter = options.json ? jsonReporter(terminal, style) : textReporter(terminal, style);
  const downloads = downloadBars({ terminal, style });
  const observer: TrainObserver = {
    ...reporter,
    data: downloads.report,
    start: (run) => {
      downloads.stop();
      reporter.start(run);
    },
    profile: (profile) => {
      reporter.profile(profile);
      profiled = profile;
    },
  };
  const explicit = settingsIn(options);
  try {
    await interruptible(terminal, reporter.interrupted, async (signal) => {
      const { resume } = options;
      if (resume !== undefined) refuseFixed((["preset", "run", "budget"] as const).filter((name) => options[name] !== undefined));
      const outcome = await (resume === undefined
        ? startRun(explicit, options, { signal, observer })
        : resumeRun(resume, explicit, options, { signal, observer }));
      const interrupted = signal.aborted;
      reporter.finish(outcome, interrupted);
      if (trace !== undefined && profiled !== undefined) await writeTrace(trace, [{ name: "training step", profile: profiled }]);
      if (outcome.result === "stopped" && interrupted) context.exitCode = Interruption.exitCode;
    });
  } finally {
    downloads.stop();
    reporter.stop();
  }
}
