/**
 * A network as one file: safetensors under PyTorch's names, with metadata that say how to build the network again. Other programs read the
 * tensors, because they ignore the metadata.
 */

import { DataError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { frozenNames, setFrozen } from "../nn/freeze.ts";
import { overwriteState } from "../nn/load-state.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { DType } from "../tensor/storage.ts";
import { checkedRecipe, layerOf, networkRecipe, type Recipe, type RecipeOptions, recipeOptions } from "./recipe.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray } from "./safetensors.ts";

/** How images become the input of a network: x = (pixel/255 − mean)/std for each channel. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What a network's file says of the network's input and output. */
export interface ModelNotes {
  /** The names of the classes, in the order of the logits. */
  readonly classes?: readonly string[];
  readonly normalization?: Normalization;
}

export interface SaveModelOptions extends ModelNotes, RecipeOptions {}

/** The names of `SaveModelOptions`. */
const saveModelOptions: OptionNames = optionNames<SaveModelOptions>({ classes: true, normalization: true, makers: true, families: true });

/** A network from a file. */
export interface SavedModel extends ModelNotes {
  readonly network: Layer;
}

/** The recipe with the dtype of the parameters. */
interface Blueprint {
  readonly recipe: Recipe;
  readonly dtype: DType;
}

const dtypeOfModel = (model: Module): DType => [...model.parameters().values()][0]?.dtype ?? "float32";

/** The metadata of what is known beside the numbers. */
export const notesMetadata = ({ classes, normalization }: ModelNotes): Record<string, string> => ({
  ...(classes && { classes: JSON.stringify(classes) }),
  ...(normalization && { normalization: JSON.stringify(normalization) }),
});

/** The value of a JSON text; undefined for any other text, since other programs give our keys other values. */
function jsonOf(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isListOf = <T extends string | number>(value: unknown, type: "string" | "number"): value is readonly T[] =>
  Array.isArray(value) && value.every((each) => typeof each === type);

/** What `notesMetadata` wrote. */
export function notesOf(metadata: Readonly<Record<string, string>>): ModelNotes {
  const classes = jsonOf(metadata.classes);
  const normalization = jsonOf(metadata.normalization) as Partial<Normalization> | null | undefined;
  return {
    ...(isListOf<string>(classes, "string") && { classes }),
    ...(isListOf<number>(normalization?.mean, "number") &&
      isListOf<number>(normalization.std, "number") && { normalization: { mean: normalization.mean, std: normalization.std } }),
  };
}

const blueprintMetadata = (model: Module, recipe: Recipe): Record<string, string> => ({
  model: JSON.stringify({ recipe, dtype: dtypeOfModel(model) } satisfies Blueprint),
});

/** The recipe that `encodeModel` wrote; undefined for the file of another program. */
function blueprintOf(metadata: Readonly<Record<string, string>>): Blueprint | undefined {
  const blueprint = jsonOf(metadata.model) as Partial<Blueprint> | null | undefined;
  return typeof blueprint?.recipe?.kind === "string" ? (blueprint as Blueprint) : undefined;
}

/** The recipe by which a file says how to build its network; undefined for a file that does not say it. */
export const savedRecipe = (metadata: Readonly<Record<string, string>>): Recipe | undefined => blueprintOf(metadata)?.recipe;

/** The metadata from which `decodeModel` builds one of the four networks; none for other networks. */
export function networkMetadata(model: Module): Record<string, string> {
  const recipe = networkRecipe(model);
  return recipe === undefined ? {} : blueprintMetadata(model, recipe);
}

/** The metadata that say which parameters are frozen; none where no parameter is. */
export function frozenMetadata(model: Module): Record<string, string> {
  const names = frozenNames(model);
  return names.length === 0 ? {} : { frozen: JSON.stringify(names) };
}

/** The names that `frozenMetadata` wrote. */
export const frozenOf = ({ frozen = "[]" }: Readonly<Record<string, string>>): readonly string[] => JSON.parse(frozen) as string[];

/**
 * The bytes of a file that holds the network, its classes and the normalisation of its input. The networks that can be saved so are the
 * four networks of the library, `Sequential` and `Residual` of its layers and of structured convolutions, and classes of your own that
 * describe themselves and have a maker.
 * @throws ConfigError for a network with other layers. Save its `state()` instead.
 */
export async function encodeModel(model: Module, options: SaveModelOptions = {}): Promise<Uint8Array> {
  checkOptions("encodeModel", options, saveModelOptions);
  const metadata = {
    format: "pt",
    ...blueprintMetadata(model, checkedRecipe(model, options)),
    ...notesMetadata(options),
    ...frozenMetadata(model),
  };
  const tensors = new Map<string, NamedArray>();
  for (const [name, state] of model.state()) tensors.set(name, { shape: state.shape, data: await state.read() });
  return encodeSafetensors(tensors, metadata);
}

/**
 * The network of a file that `encodeModel` or a training run wrote.
 * @param source The file's name in errors.
 * @throws DataError for a file that does not say how to build its network, or that needs a class or a family which the options lack.
 */
export function decodeModel(bytes: Uint8Array, source = "the file", options: RecipeOptions = {}): SavedModel {
  checkOptions("decodeModel", options, recipeOptions);
  const { tensors, metadata } = decodeSafetensors(bytes, source);
  // The file of a training run holds the state of the optimiser too.
  const isRun = [...tensors.keys()].some((name) => name.startsWith("model/"));
  const values = isRun
    ? new Map([...tensors].flatMap(([name, value]) => (name.startsWith("model/") ? [[name.slice("model/".length), value] as const] : [])))
    : tensors;
  return modelOf(values, metadata, source, options);
}

/**
 * The network that the metadata of a file describe, with the values of the file.
 * @throws DataError for metadata that describe no network, or one that needs a class or a family which the options lack.
 */
export function modelOf(
  values: ReadonlyMap<string, NamedArray>,
  metadata: Readonly<Record<string, string>>,
  source: string,
  options: RecipeOptions = {},
): SavedModel {
  const blueprint = blueprintOf(metadata);
  if (blueprint === undefined)
    throw new DataError(
      `loadModel: ${source} must say how to build its network, got none of it; make the network yourself and load the file with loadState`,
    );
  const network = layerOf(blueprint.recipe, { random: new Random(0), dtype: blueprint.dtype }, source, options);
  overwriteState(`loadModel: ${source}`, network.state(), values, { formerName: (name) => network.formerName(name) });
  setFrozen(network, frozenOf(metadata));
  return { network, ...notesOf(metadata) };
}
