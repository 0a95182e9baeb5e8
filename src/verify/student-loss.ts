/** The cases of `student` in `wrn_step/index.json`: the loss of one batch with attention transfer and distillation, and its gradients. */

import { largest } from "../core/extent.ts";
import { Random } from "../core/random.ts";
import { createNetwork, type Network, type NetworkSpec } from "../experiment/network-spec.ts";
import { gradients } from "../grad/gradients.ts";
import { tensor } from "../ops/creation.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createObjective } from "../train/objective.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { type Case, type Comparison, isComputedHere, largestMagnitude, type Precision, precisions, verdict } from "./comparison.ts";
import { type Fields, FixtureError, type FixtureFolder, type FixtureTensors } from "./fixture-folder.ts";

/** The spec of a network and its number of classes, for a convolution that is given as text, such as `Shuffle_4`. */
export type NetworkOf = (convolution: string) => { readonly spec: NetworkSpec; readonly classes: number };

export const studentCases = (student: Fields, networkOf: NetworkOf, folder: FixtureFolder): Case[] => {
  // An example of a description: `teacher Conv in eval mode, student Shuffle_4 in train mode`.
  const [, teacherConvolution, studentConvolution] =
    /teacher (\S+) in eval mode, student (\S+) in train mode/.exec(student.text("description")) ?? [];
  if (teacherConvolution === undefined || studentConvolution === undefined)
    throw new FixtureError('verify: student.description must say "teacher X in eval mode, student Y in train mode", got neither');
  return student.objects("values").map((values) => {
    const precision = precisionOf(values);
    const alpha = values.number("alpha");
    return {
      name: `student loss, ${studentConvolution} taught by ${teacherConvolution}, α ${alpha}, ${precision}`,
      run: async () => {
        if (!isComputedHere(precision)) return { status: "skipped", reason: "this backend has float32 only" };
        const [golden, batch] = [
          await folder.tensors(`wrn_step/${student.text("file")}`),
          await folder.tensors("wrn_step/common.safetensors"),
        ];
        const pair = { teacher: networkOf(teacherConvolution), student: networkOf(studentConvolution) };
        return verdict((comparison) => compare({ values, golden, batch, precision, comparison }, pair));
      },
    };
  });
};

function precisionOf(values: Fields): Precision {
  const dtype = values.text("dtype");
  const found = precisions.find((name) => name === dtype);
  if (found === undefined) throw new FixtureError(`verify: dtype must be one of ${precisions.join(", ")}, got ${dtype}`);
  return found;
}

interface StudentCase {
  readonly values: Fields;
  readonly golden: FixtureTensors;
  readonly batch: FixtureTensors;
  readonly precision: Precision;
  readonly comparison: Comparison;
}

type Pair = Readonly<Record<"teacher" | "student", ReturnType<NetworkOf>>>;

async function compare({ values, golden, batch, precision, comparison }: StudentCase, pair: Pair): Promise<undefined> {
  const make = (role: keyof Pair): Network => {
    const { spec, classes } = pair[role];
    const network = createNetwork(spec, classes, { random: new Random(0), dtype: precision }, { init: "variance-preserving" });
    network.loadState(golden.section(role));
    return network;
  };
  const [teacher, student] = [make("teacher"), make("student")];
  const [alpha, temperature, beta] = [values.number("alpha"), values.number("T"), values.number("beta")];
  const objective = createObjective(student, { teaching: { teacher, alpha, temperature, beta } });
  const parameters = [...student.parameters()];
  const { x, labels } = { x: golden.find("x") ?? batch.get("x"), labels: golden.find("labels") ?? batch.get("labels") };
  const { loss, total, grads } = scope(() => {
    const result = objective(tensor(x.data, { shape: x.shape, dtype: precision }), labels.data, { training: true });
    const wrt = parameters.map(([, { value }]) => value);
    return { loss: result.loss, total: result.objective, grads: gradients(result.objective, wrt) };
  });
  const near = async (name: string, got: Tensor, expected: NamedArray, around = 0): Promise<void> =>
    comparison.near(precision, name, { shape: got.shape, data: await got.data() }, expected, around);
  const scalar = (name: string): NamedArray => ({ shape: [], data: Float64Array.of(values.number(name)) });
  await near("cross-entropy", loss, scalar("cross_entropy"));
  await near("total loss", total, scalar("total_loss"));
  const section = `grad_alpha${alpha.toFixed(1)}${precision === "float64" ? "_64" : ""}`;
  const expected = golden.section(section);
  if (expected.size === 0) throw new FixtureError(`verify: the student's file must hold ${section}/…, got none`);
  comparison.equal("names of the gradients", parameters.map(([name]) => name).sort(), [...expected.keys()].sort());
  // The gradient of a parameter before a batch norm may be zero except for rounding error. The largest magnitude in all gradients sets how
  // much rounding error is allowed.
  const around = largest([...expected.values()].map(({ data }) => largestMagnitude(data)));
  for (const [i, [name]] of parameters.entries()) await near(`${section}/${name}`, grads[i]!, expected.get(name)!, around);
  for (const made of [loss, total, ...grads]) made.dispose();
  teacher.dispose();
  student.dispose();
  return undefined;
}
