/** Networks that `saveModel` wrote: the file itself says how to build the network. */

import { ConfigError, DataError } from "../core/errors.ts";
import { visible } from "../core/quote.ts";
import type { Layer } from "../nn/module.ts";
import { zeros } from "../ops/creation.ts";
import { convolutionName, formatConvolution } from "../structured/convolution-text.ts";
import { noGrad } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { ImageShape } from "../train/evaluate.ts";
import { modelOf, savedRecipe } from "../train/model-file.ts";
import { specOfRecipe } from "../train/recipe.ts";
import { formatNetwork, networkKinds, sizeRefusal, specOfClass } from "./network-spec.ts";
import { restoreNetwork } from "./restore-network.ts";
import { optionName, type Settings } from "./setting-rules.ts";
import { networkOf } from "./settings.ts";

/** A network that can be run, and its name for users. */
export interface NamedNetwork {
  readonly model: Layer;
  readonly name: string;
}

/** Whether the file says how to build its network. The file of a run says it in its configuration too, and the configuration says more. */
export const describesItself = ({ config, metadata, source }: Checkpoint): boolean =>
  config === undefined && savedRecipe(metadata, source) !== undefined;

/**
 * The network of a checkpoint: the one that the file describes, or else the one that the settings describe.
 * @param given The settings that options have set.
 * @param classes The number of classes that the network of the settings must have. Default: as many as the checkpoint has.
 * @throws ConfigError for options that describe a network which the file describes, DataError for a checkpoint of another network.
 */
export function restoreNamed(
  op: string,
  checkpoint: Checkpoint,
  settings: Settings,
  given: Partial<Settings>,
  classes?: number,
): NamedNetwork {
  const { source, model, metadata } = checkpoint;
  if (!describesItself(checkpoint)) {
    const spec = networkOf(settings);
    const network = restoreNetwork(checkpoint, spec, { mode: settings.mode, ...(classes !== undefined && { classes }) });
    return { model: network, name: formatNetwork(spec) };
  }
  refuseDescribed(op, source, given);
  const { kind, spec } = savedRecipe(metadata, source)!;
  const name = spec === undefined ? kind : `${kind}-${convolutionName(specOfRecipe(spec, source))}`;
  return { model: modelOf(model, metadata, source).network, name };
}

/**
 * The settings that describe the network of a file that describes itself; undefined for any other file.
 * @param given The settings that options have set.
 * @throws ConfigError for options that describe a network which the file describes, and for a network that settings cannot describe.
 */
export function savedSettings(op: string, checkpoint: Checkpoint, given: Partial<Settings>): Partial<Settings> | undefined {
  if (!describesItself(checkpoint)) return undefined;
  const { source, metadata } = checkpoint;
  refuseDescribed(op, source, given);
  const { kind, spec, options = {} } = savedRecipe(metadata, source)!;
  const network = spec && specOfClass(kind, options, specOfRecipe(spec, source));
  if (network === undefined)
    throw new ConfigError(`${op}: the network of ${source} must be one of ${networkKinds.join(", ")}, got ${visible(kind)}`);
  const { kind: name, depth, width, widths, dropout, attentionSplit, convolution } = network;
  const refused = sizeRefusal(name, network);
  if (refused !== undefined) throw new DataError(`${op}: ${source} must describe a network that can be made, got: ${refused}`);
  return { network: name, depth, width, widths, dropout: dropout ?? 0, attentionSplit, conv: formatConvolution(convolution) };
}

/** @throws ConfigError for options that describe a network which the file describes. */
function refuseDescribed(op: string, source: string, given: Partial<Settings>): void {
  const named = (["network", "depth", "width", "widths", "conv", "attentionSplit"] as const).filter((name) => given[name] !== undefined);
  if (named.length > 0)
    throw new ConfigError(
      `${op}: ${source} describes its network, got ${named.map(optionName).join(", ")} too; leave out what the file describes`,
    );
}

/** @throws DataError unless the logits are [count,classes], as those of a classifier are. */
export function checkLogits(op: string, source: string, shape: readonly number[], count: number): void {
  if (shape.length !== 2 || shape[0] !== count)
    throw new DataError(
      `${op}: the network of ${source} must give logits [${count},classes] for ${count} images, got [${shape}]; ` +
        "end the network with Flatten() and Linear",
    );
}

/** The number of classes that a network tells apart, found with a black image. @throws DataError for a network that is no classifier. */
export const classCount = (op: string, source: string, model: Layer, imageShape: ImageShape): number =>
  scope(() => {
    const { shape } = noGrad(() => model.forward(zeros([1, ...imageShape]), { training: false }));
    checkLogits(op, source, shape, 1);
    return shape[1]!;
  });
