/** `separable train`: a new run, or the rest of one. */

import { Command } from "commander";
import { backendHelp } from "../experiment/backend-names.ts";
import { budgetKinds } from "../experiment/budget.ts";
import { networkKinds } from "../experiment/network-spec.ts";
import { presetNames, presetSummaries, presets } from "../experiment/presets.ts";
import { argument, choice, integer, path, type Rule } from "../experiment/rules.ts";
import { type SettingName, type Settings, settingRules } from "../experiment/settings.ts";
import { resumeRun, type Steering, startRun } from "../experiment/train-run.ts";
import { convolutionForms } from "../structured/convolution-text.ts";
import type { CommandContext } from "./command-context.ts";
import { progressStyle } from "./progress.ts";
import { jsonReporter, textReporter } from "./train-report.ts";

type OptionRow = readonly [name: SettingName, flags: string, description: string];

const optionGroups: readonly (readonly [heading: string, rows: readonly OptionRow[]])[] = [
  [
    "Data:",
    [
      ["data", "--data <name>", "cifar10, cifar100 or synthetic"],
      ["folder", "--folder <path>", "read the data here instead of the cache or a download"],
      ["limitTrain", "--limit-train <n>", "train on the first n images"],
      ["limitTest", "--limit-test <n>", "test on the first n images"],
      ["augment", "--augment <list>", "crop:4,flip,cutout:16, any of them, or none"],
    ],
  ],
  [
    "Network:",
    [
      ["network", "--network <kind>", networkKinds.join(", ")],
      ["depth", "--depth <n>", "wrn: layers, 6n + 4; darts: cells"],
      ["width", "--width <n>", "wrn: channels are 16, 32 and 64 times this; darts: channels of the first cells"],
      ["conv", "--conv <spec>", `what each 3×3 convolution is made of: ${convolutionForms}`],
      ["init", "--init <name>", "structured layers begin by: reference, spectral or variance-preserving"],
      ["mode", "--mode <name>", "structured layers compute: auto, factorized or dense"],
      ["dropout", "--dropout <rate>", "wrn: inside the blocks; mobilenet-v2: before the classifier"],
      ["dropPath", "--drop-path <rate>", "darts: of the last epoch, rising evenly from 0"],
      ["auxiliary", "--auxiliary <weight>", "darts: of a second classifier's loss in training (0.4 in the paper)"],
      ["attentionSplit", "--attention-split <n>", "wrn: attention maps in each group of blocks (AT_split)"],
    ],
  ],
  [
    "Teacher:",
    [
      ["teacher", "--teacher <run>", "learn from this run's network too"],
      ["beta", "--beta <weight>", "of attention transfer (with a teacher: 1000)"],
      ["alpha", "--alpha <share>", "of the teacher's probabilities against the labels (with a teacher: 0)"],
      ["temperature", "--temperature <T>", "divides the logits of both before their softmax (with a teacher: 4)"],
    ],
  ],
  [
    "Recipe:",
    [
      ["epochs", "--epochs <n>", "passes over the training images"],
      ["batchSize", "--batch-size <n>", "images per step"],
      ["dropLast", "--drop-last", "leave out an epoch's last batch if it is smaller (default: only if it would have one image)"],
      ["optimizer", "--optimizer <name>", "sgd, adam or adamw"],
      ["learningRate", "--learning-rate <rate>", "its peak (one-cycle) or first value"],
      ["momentum", "--momentum <m>", "of sgd"],
      ["nesterov", "--nesterov", "Nesterov's momentum, for sgd"],
      ["weightDecay", "--weight-decay <rate>", "L2 penalty (decoupled for adamw)"],
      ["crs", "--crs", "scale the decay of structured layers by the compression ratio"],
      ["frobeniusDecay", "--frobenius-decay", "decay the matrices that factors stand for, not the factors"],
      ["schedule", "--schedule <name>", "one-cycle, cosine or multi-step"],
      ["milestones", "--milestones <epochs>", "60,120,160: where multi-step lowers the rate"],
      ["factor", "--factor <f>", "by which multi-step lowers it"],
      ["labelSmoothing", "--label-smoothing <share>", "probability spread over all classes"],
      ["seed", "--seed <n>", "decides initial weights, order, augmentation and dropout"],
    ],
  ],
  [
    "Machine:",
    [
      ["backend", "--backend <name>", `${backendHelp}; gpu is the first device that runs, auto it or wasm, reference slow, for checking`],
      ["threads", "--threads <n>", "of the wasm backend (default: one per core)"],
      ["memoryLimit", "--memory-limit <MiB>", "of the wasm backend (its maximumBytes)"],
      ["evaluateEvery", "--evaluate-every <n>", "test after every n epochs, and after the last"],
    ],
  ],
];

/** Switches, each with the option that turns it off again. */
const negated = {
  dropLast: ["--no-drop-last", "keep the last batch"],
  nesterov: ["--no-nesterov", "plain momentum"],
  crs: ["--no-crs", "decay structured layers like all others"],
  frobeniusDecay: ["--no-frobenius-decay", "decay the factors"],
} as const;

/** A family alone will do for a convolution where a budget decides the rest; `startRun` sees to it that there is one. */
const ruleOf = (name: SettingName): Rule<unknown> => {
  const rule: Rule<unknown> = settingRules[name];
  return name === "conv" ? { ...rule, parse: (text) => rule.parse(text) ?? budgetKinds.find((kind) => kind === text) } : rule;
};

const nameOf = (flags: string): string => flags.split(" ")[0]!;

export function trainCommand(context: CommandContext): Command {
  const command = new Command("train").description("train a network and write the run to a folder");
  const presetHelp = presetNames.map((name) => `${name} (${presetSummaries[name]})`).join(", ");
  command
    .optionsGroup("Run:")
    .option(
      "--preset <name>",
      `recipe to start from: ${presetHelp}; other options win over it`,
      argument("train", "--preset", choice(presetNames)),
    )
    .option("--run <path>", "folder to write (default: runs/<time>-<network>)", argument("train", "--run", path))
    .option("--resume <run>", "continue a run, bit for bit", argument("train", "--resume", path))
    .option("--steps <n>", "stop, resumable, after n steps in all", argument("train", "--steps", integer({ least: 0 })))
    .option(
      "--budget <parameters>",
      "choose the hyper-parameter of --conv, a family such as TensorTrain, so that the network has at most so many",
      argument("train", "--budget", integer({ least: 1 })),
    )
    .option("--tensorboard", "write TensorBoard's event files into the run's folder too")
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
      } else command.option(flags, text, argument("train", nameOf(flags), ruleOf(name)));
    }
  }
  return command.action(async (options: Steering & Partial<Settings> & { json?: boolean; progress: boolean }) => {
    const { terminal } = context;
    const given = Object.entries(options).filter(([name]) => name in settingRules);
    const explicit: Partial<Settings> = Object.fromEntries(given);
    const style = progressStyle(terminal.stderr, options.progress);
    const reporter = options.json ? jsonReporter(terminal, style) : textReporter(terminal, style);
    try {
      const run = options.resume === undefined ? startRun : resumeRun;
      context.exitCode = await run(explicit, options, { terminal, reporter, style });
    } finally {
      reporter.stop();
    }
  });
}
