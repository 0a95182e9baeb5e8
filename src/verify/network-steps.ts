/** The cases of `wrn_step/index.json`: the first training steps of a network, with values, gradients, statistics and parameters. */

import { largest } from "../core/extent.ts";
import { Random } from "../core/random.ts";
import { compressionRatio } from "../experiment/compression-ratio.ts";
import { createNetwork, type NetworkSpec } from "../experiment/network-spec.ts";
import { gradients } from "../grad/gradients.ts";
import { crossEntropy } from "../nn/losses.ts";
import { tensor } from "../ops/creation.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AttentiveClassifier } from "../train/evaluate.ts";
import { decayGroups } from "../train/parameter-groups.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { Sgd } from "../train/sgd.ts";
import {
  type Case,
  type Comparison,
  isComputedHere,
  largestMagnitude,
  type Outcome,
  type Precision,
  precisions,
  suffixes,
  verdict,
} from "./comparison.ts";
import { Fields, FixtureError, type FixtureFolder, type FixtureTensors } from "./fixture-folder.ts";
import { findNetwork } from "./fixture-networks.ts";
import { scheduleCases } from "./schedules.ts";
import { type NetworkOf, studentCases } from "./student-loss.ts";

export const stepCases = (index: Fields, folder: FixtureFolder): Case[] => [
  ...index.objects("cases").map((entry) => ({
    name: `training ${networkText(index, entry)} ${entry.text("conv")}`,
    run: () => runCase(index, entry, folder),
  })),
  ...(index.has("student") ? studentCases(index.object("student"), networkOf(index), folder) : []),
  ...(index.has("lr_schedules") ? scheduleCases(index.object("lr_schedules")) : []),
];

/** The network of a case, or that of the index for a case without one. */
const networkText = (index: Fields, entry: Fields): string => (entry.has("network") ? entry : index).text("network");

/** Parses a text such as `WideResNet depth=10 widen_factor=1 num_classes=10 dropRate=0 s=1`. */
function parseNetwork(text: string): { readonly name: string; readonly dimensions: Fields; readonly classes: number } {
  const [name = "", ...settings] = text.split(/\s+/);
  const values = settings.map((setting) => [setting.split("=")[0]!, Number(setting.split("=")[1])]);
  const dimensions = new Fields(Object.fromEntries(values), `the network "${text}"`);
  return { name, dimensions, classes: dimensions.has("num_classes") ? dimensions.number("num_classes") : 10 };
}

const sizeOf =
  (dimensions: Fields) =>
  (asked: string): number =>
    dimensions.number(asked === "width" && dimensions.has("widen_factor") ? "widen_factor" : asked);

/** The network of the index with another convolution. */
const networkOf =
  (index: Fields): NetworkOf =>
  (convolution) => {
    const { name, dimensions, classes } = parseNetwork(index.text("network"));
    const found = findNetwork(name);
    if ("missing" in found) throw new FixtureError(`verify: the student's network must be a known one, got ${found.missing}`);
    return { spec: found.spec(sizeOf(dimensions), parseConvolution(convolution)), classes };
  };

async function runCase(index: Fields, entry: Fields, folder: FixtureFolder): Promise<Outcome> {
  const { name, dimensions, classes } = parseNetwork(networkText(index, entry));
  const found = findNetwork(name);
  if ("missing" in found) return { status: "skipped", reason: found.missing };
  if (dimensions.has("dropRate") && dimensions.number("dropRate") > 0)
    return { status: "skipped", reason: "dropout draws random numbers that differ from those of PyTorch" };
  const [golden, batch] = [await folder.tensors(`wrn_step/${entry.text("file")}`), await folder.tensors("wrn_step/common.safetensors")];
  const recipe: Recipe = {
    classes,
    optimizer: index.object("optimizer"),
    x: golden.find("x") ?? batch.get("x"),
    labels: (golden.find("labels") ?? batch.get("labels")).data,
  };
  return verdict(async (comparison) => {
    const spec = found.spec(sizeOf(dimensions), parseConvolution(entry.text("conv")));
    for (const precision of precisions)
      if (isComputedHere(precision) && golden.find(`logits${suffixes[precision]}`) !== undefined)
        await new Training(spec, recipe, precision, golden, comparison).run(entry);
    return undefined;
  });
}

/** What all cases of an index share. */
interface Recipe {
  readonly classes: number;
  readonly optimizer: Fields;
  readonly x: NamedArray;
  readonly labels: ArrayLike<number>;
}

interface Expectation {
  readonly expected?: NamedArray | undefined;
  readonly around?: number;
}

/** Trains one network in one precision, and compares it with the fixtures at every step. */
class Training {
  readonly #precision: Precision;
  readonly #golden: FixtureTensors;
  readonly #comparison: Comparison;
  readonly #recipe: Recipe;
  readonly #model: AttentiveClassifier;
  readonly #optimizer: Sgd;
  readonly #images: Tensor;

  constructor(spec: NetworkSpec, recipe: Recipe, precision: Precision, golden: FixtureTensors, comparison: Comparison) {
    this.#precision = precision;
    this.#golden = golden;
    this.#comparison = comparison;
    this.#recipe = recipe;
    const { classes, optimizer, x } = recipe;
    this.#model = createNetwork(spec, classes, { random: new Random(0), dtype: precision }, { init: "variance-preserving" });
    this.#model.loadState(golden.section("init"));
    const decay = optimizer.number("weight_decay");
    const groups = decayGroups(this.#model, { full: decay, compressed: decay * compressionRatio(spec, classes, this.#model) });
    this.#optimizer = new Sgd(groups, { momentum: optimizer.number("momentum") });
    this.#images = tensor(x.data, { shape: x.shape, dtype: precision });
  }

  async run(entry: Fields): Promise<void> {
    const suffix = suffixes[this.#precision];
    this.#compareSizes(entry);
    const losses = entry.has(`losses${suffix}`) ? entry.numbers(`losses${suffix}`).map(Number) : [];
    const recorded = this.#golden.names.map((name) => Number(/^after(\d+)/.exec(name)?.[1] ?? 0));
    const steps = largest([1, losses.length, ...recorded]);
    for (let step = 1; step <= steps; step++) {
      await this.#step(step, losses[step - 1]);
      await this.#compareState(`after${step}`);
      await this.#compareEvaluation(step);
    }
    this.#images.dispose();
    this.#model.dispose();
  }

  #compareSizes(entry: Fields): void {
    if (entry.has("n_params")) this.#comparison.equal("number of parameters", this.#model.parameterCount(), entry.number("n_params"));
    const [structured] = entry.objects("groups");
    if (structured === undefined) return;
    const compressed = [...this.#model.parameters()].flatMap(([name, { decay }]) => (decay === "compressed" ? [name] : []));
    this.#comparison.equal("names in the compressed decay group", compressed.sort(), [...structured.texts("names")].sort());
  }

  /** Computes a step: forward, backward and update. The fixtures record all values of the first step. */
  async #step(step: number, expectedLoss: number | undefined): Promise<void> {
    const suffix = suffixes[this.#precision];
    const values = this.#optimizer.parameters.map(({ value }) => value);
    const { loss, logits, attention, grads } = scope(() => {
      const out = this.#model.forwardWithAttention(this.#images, { training: true });
      const loss = crossEntropy(out.logits, this.#recipe.labels);
      return { ...out, loss, grads: gradients(loss, values) };
    });
    if (expectedLoss !== undefined)
      await this.#near(`loss of step ${step}`, loss, { expected: { shape: [], data: Float64Array.of(expectedLoss) } });
    if (step === 1) {
      await this.#near(`logits${suffix}`, logits);
      for (const [i, map] of attention.entries()) await this.#near(`attention${i}${suffix}`, map);
      await this.#compareGradients(new Map(values.map((value, i) => [value, grads[i]!])));
    }
    await this.#compareState(`bn${step}`);
    this.#optimizer.step(grads, this.#recipe.optimizer.number("lr"));
    for (const tensor of [loss, logits, ...attention, ...grads]) tensor.dispose();
  }

  /** @param gradients by the values of the parameters. */
  async #compareGradients(gradients: ReadonlyMap<Tensor, Tensor>): Promise<void> {
    const section = `grad${suffixes[this.#precision]}`;
    const expected = this.#golden.section(section);
    const parameters = this.#model.parameters();
    if (expected.size > 0) this.#comparison.equal("names of the gradients", [...parameters.keys()].sort(), [...expected.keys()].sort());
    const around = largest([...expected.values()].map(({ data }) => largestMagnitude(data)));
    for (const [name, { value }] of parameters) await this.#near(`${section}/${name}`, gradients.get(value)!, { around });
  }

  async #compareEvaluation(step: number): Promise<void> {
    const name = `eval_logits_after${step}${suffixes[this.#precision]}`;
    if (this.#golden.find(name) === undefined) return;
    const logits = scope(() => this.#model.forward(this.#images, { training: false }));
    await this.#near(name, logits);
    logits.dispose();
  }

  /** Compares a tensor with `expected`. Default: the expected tensor of the same name, if there is one. */
  async #near(name: string, got: Tensor, { expected = this.#golden.find(name), around = 0 }: Expectation = {}): Promise<void> {
    if (expected === undefined) return;
    this.#comparison.near(this.#precision, name, { shape: got.shape, data: await got.data() }, expected, around);
  }

  /** Compares the state with a section, which holds the whole state or a part of it. */
  async #compareState(section: string): Promise<void> {
    const name = this.#precision === "float64" ? `${section}_64` : section;
    const state = this.#model.state();
    for (const [key, expected] of this.#golden.section(name)) {
      const own = state.get(key);
      if (own === undefined) throw new FixtureError(`verify: ${name}/${key} must name a parameter or buffer of the network, got none such`);
      this.#comparison.near(this.#precision, `${name}/${key}`, { shape: own.shape, data: await own.read() }, expected);
    }
  }
}
