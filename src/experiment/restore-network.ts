/** Networks made from checkpoints. */

import { DataError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import { countParameters } from "../count/count-network.ts";
import { withPresentNames } from "../nn/load-state.ts";
import type { Mode } from "../structured/structured-linear.ts";
import { type Checkpoint, restoreModel } from "../train/checkpoint.ts";
import type { NamedArray } from "../train/safetensors.ts";
import { createNetwork, formatNetwork, type Network, type NetworkSpec } from "./network-spec.ts";

export interface RestoreOptions {
  /** The number of classes. Default: as many as the classifier in the checkpoint has. */
  readonly classes?: number;
  /** How structured layers compute. Default: `auto`. */
  readonly mode?: Mode | undefined;
}

/**
 * Makes the network of a checkpoint.
 *
 * @throws DataError for a checkpoint of another network, ConfigError for a network that cannot be made.
 */
export function restoreNetwork(checkpoint: Checkpoint, spec: NetworkSpec, options: RestoreOptions = {}): Network {
  const { classes = classesOf(checkpoint, spec), mode = "auto" } = options;
  checkNumbers(checkpoint, spec, classes);
  // The checkpoint overwrites every number, so the network starts with the initialisation that decomposes no matrix.
  const network = createNetwork(spec, classes, { random: new Random(0) }, { init: "variance-preserving", mode });
  restoreModel(network, checkpoint);
  return network;
}

/** Refuses a network with more parameters than the checkpoint has numbers, before the network takes memory. @throws DataError */
function checkNumbers({ source, model }: Checkpoint, spec: NetworkSpec, classes: number): void {
  const parameters = countParameters((build) => createNetwork(spec, classes, build, { init: "variance-preserving" }));
  const numbers = [...model.values()].reduce((total, { data }) => total + data.length, 0);
  if (numbers < parameters)
    throw new DataError(
      `checkpoint: ${source} must hold the ${parameters} parameters of ${formatNetwork(spec)}, got ${numbers} numbers; ` +
        "name a checkpoint of this network",
    );
}

/** The number of classes that a checkpoint of the network `spec` tells apart. @throws DataError for a checkpoint without a classifier. */
export function classesOf({ source, model }: Checkpoint, spec: NetworkSpec): number {
  const { name, formerName } = lastOfClassifier(spec);
  const classes = (model.get(name) ?? model.get(formerName))?.shape[0];
  if (classes !== undefined) return classes;
  throw new DataError(`checkpoint: ${source} must hold ${name}, of the classifier, got none; name a checkpoint of this network`);
}

/** The networks whose layers had other names in earlier versions, with dense convolutions. */
const renamedNetworks: readonly NetworkSpec[] = (["wrn-50-2", "mobilenet-v2"] as const).map((kind) => ({
  kind,
  convolution: { kind: "Conv" },
}));

/**
 * The arrays of a checkpoint under the names of today, where an earlier version wrote it.
 * @param spec The network. Default: a dense WRN-50-2 or MobileNetV2, if the names are those of one.
 */
export function presentArrays({ model }: Checkpoint, spec?: NetworkSpec): ReadonlyMap<string, NamedArray> {
  let arrays = model as ReadonlyMap<string, NamedArray>;
  for (const each of spec === undefined ? renamedNetworks : [spec])
    countParameters((build) => {
      const network = createNetwork(each, 10, build, { init: "variance-preserving" });
      arrays = withPresentNames(network.state(), arrays, (name) => network.formerName(name));
      return network;
    });
  return arrays;
}

/** The parameters whose size depends on the number of classes: the classifiers. */
export function classDependentNames(spec: NetworkSpec): string[] {
  const shapesFor = (classes: number): Map<string, string> => {
    const shapes = new Map<string, string>();
    countParameters((build) => {
      const network = createNetwork(spec, classes, build, { init: "variance-preserving" });
      for (const [name, { shape }] of network.state()) shapes.set(name, shape.join());
      return network;
    });
    return shapes;
  };
  const [some, more] = [shapesFor(10), shapesFor(11)];
  return [...some.keys()].filter((name) => some.get(name) !== more.get(name));
}

/**
 * The state name of the last parameter of the classifier, now and in files of earlier versions. It is the bias, or the weight of a
 * classifier without one: either has one row per class. Every network declares its classifier after all other layers. The network that is
 * asked for the name is made without numbers.
 */
function lastOfClassifier(spec: NetworkSpec): { name: string; formerName: string } {
  let found = { name: "", formerName: "" };
  countParameters((build) => {
    const network = createNetwork(spec, 10, build, { init: "variance-preserving" });
    const name = [...network.parameters().keys()].at(-1)!;
    found = { name, formerName: network.formerName(name) };
    return network;
  });
  return found;
}
