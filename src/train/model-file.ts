/**
 * A network as one file: safetensors under PyTorch's names, with metadata that say how to build the network again. Other programs read the
 * tensors, because they ignore the metadata.
 */

import { createShapeOnlyBackend } from "../backend/shape-only.ts";
import { BackendError, DataError } from "../core/errors.ts";
import { restore } from "../core/json.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { visible } from "../core/quote.ts";
import { Random } from "../core/random.ts";
import { finite, list, object, oneOf, optional, readJson, type Schema, text } from "../core/schema.ts";
import { NoDraws } from "../count/no-draws.ts";
import { withBackend } from "../count/with-backend.ts";
import { frozenNames, setFrozen } from "../nn/freeze.ts";
import { overwriteState } from "../nn/load-state.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { DType } from "../tensor/storage.ts";
import { checkedRecipe, layerOf, networkRecipe, type Recipe, type RecipeOptions, recipeOptions, recipeSchema } from "./recipe.ts";
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

const blueprintSchema: Schema<Blueprint> = object({ recipe: recipeSchema, dtype: oneOf(["float32", "float64", "int32"]) });
const classesSchema: Schema<string[]> = list(text);
const normalizationSchema: Schema<Normalization> = object({ mean: list(finite()), std: list(finite()) });
const runNotesSchema = object({ classes: optional(classesSchema), normalization: optional(normalizationSchema) });
const frozenSchema: Schema<string[]> = list(text);

const dtypeOfModel = (model: Module): DType => [...model.parameters().values()][0]?.dtype ?? "float32";

/** The metadata of what is known beside the numbers. */
export const notesMetadata = ({ classes, normalization }: ModelNotes): Record<string, string> => ({
  ...(classes && { classes: JSON.stringify(classes) }),
  ...(normalization && { normalization: JSON.stringify(normalization) }),
});

/**
 * What `notesMetadata` wrote. Other programs give our keys other values. So in a file without a recipe of ours, a value that is not of our
 * form is ignored.
 * @param source What an error begins with.
 * @throws DataError for the damaged notes of a file of ours.
 */
export function notesOf(metadata: Readonly<Record<string, string>>, source: string): ModelNotes {
  const ours = isOurs(metadata);
  const note = <T>(key: keyof ModelNotes, schema: Schema<T>): Record<string, T> => {
    const value = metadata[key];
    if (value === undefined) return {};
    try {
      return { [key]: readJson(schema, value, { source: `${source}/${key}` }) };
    } catch (error) {
      if (ours || !(error instanceof DataError)) throw error;
      return {};
    }
  };
  return { ...note("classes", classesSchema), ...note("normalization", normalizationSchema) };
}

const blueprintMetadata = (model: Module, recipe: Recipe): Record<string, string> => ({
  model: JSON.stringify({ recipe, dtype: dtypeOfModel(model) } satisfies Blueprint),
});

/** Whether the file says how to build its network. Other programs may write a `model` of another form. */
function isOurs({ model }: Readonly<Record<string, string>>): boolean {
  return model !== undefined && /^\s*\{\s*"recipe"/.test(model);
}

/** The recipe that `encodeModel` wrote; undefined for the file of another program. @throws DataError for a damaged one. */
const blueprintOf = (metadata: Readonly<Record<string, string>>, source: string): Blueprint | undefined =>
  isOurs(metadata) ? readJson(blueprintSchema, metadata.model!, { source: `${source}/model` }) : undefined;

/** The recipe by which a file says how to build its network; undefined for a file that does not say it. */
export const savedRecipe = (metadata: Readonly<Record<string, string>>, source: string): Recipe | undefined =>
  blueprintOf(metadata, source)?.recipe;

/** The metadata from which `decodeModel` builds one of the networks; none for other networks. */
export function networkMetadata(model: Module): Record<string, string> {
  const recipe = networkRecipe(model);
  return recipe === undefined ? {} : blueprintMetadata(model, recipe);
}

/** The metadata that say which parameters are frozen; none where no parameter is. */
export function frozenMetadata(model: Module): Record<string, string> {
  const names = frozenNames(model);
  return names.length === 0 ? {} : { frozen: JSON.stringify(names) };
}

/** The names that `frozenMetadata` wrote. @param source What an error begins with. */
export const frozenOf = ({ frozen = "[]" }: Readonly<Record<string, string>>, source: string): readonly string[] =>
  readJson(frozenSchema, frozen, { source: `${source}/frozen` });

/**
 * The bytes of a file that holds the network, its classes and the normalisation of its input. The networks that can be saved so are the
 * networks of the library, `Sequential` and `Residual` of its layers and of structured convolutions, and classes of your own that
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
 * @throws DataError for metadata that describe no network, a network that the values do not fill, or one that needs a class or a family
 * which the options lack.
 */
export function modelOf(
  values: ReadonlyMap<string, NamedArray>,
  metadata: Readonly<Record<string, string>>,
  source: string,
  options: RecipeOptions = {},
): SavedModel {
  const where = `loadModel: ${source}`;
  const blueprint = blueprintOf(metadata, where);
  if (blueprint === undefined)
    throw new DataError(
      `${where} must say how to build its network, got none of it; make the network yourself and load the file with loadState`,
    );
  const { recipe, dtype } = blueprint;
  const make = (random: Random): Layer => described(where, () => layerOf(recipe, { random, dtype }, source, options));
  // A recipe of a few bytes may describe more numbers than memory holds. The network without numbers says how many there are.
  const planned = withBackend(createShapeOnlyBackend(), () => make(new NoDraws()).parameterCount());
  const held = [...values.values()].reduce((total, { data }) => total + data.length, 0);
  if (planned > held) throw new DataError(`${where} must hold the ${planned} numbers of its network, got ${held}; ${restore}`);
  const network = make(new Random(0));
  overwriteState(where, network.state(), values, { formerName: (name) => network.formerName(name) });
  setFrozen(network, frozenOf(metadata, where));
  return { network, ...runNotes(metadata, where), ...notesOf(metadata, where) };
}

/** The notes in the configuration that a training run writes into its checkpoints; none for other files. */
function runNotes({ config }: Readonly<Record<string, string>>, source: string): ModelNotes {
  if (config === undefined) return {};
  try {
    const { classes, normalization } = readJson(runNotesSchema, config, { source: `${source}/config` });
    return { ...(classes && { classes }), ...(normalization && { normalization }) };
  } catch (error) {
    // Other programs write a `config` of another form.
    if (error instanceof DataError) return {};
    throw error;
  }
}

/**
 * Makes what a file describes. The constructors were written for programmers, so their errors do not name the file, and some sizes that no
 * programmer writes end in errors of JavaScript. @throws DataError that names the file for each of these.
 */
function described<T>(source: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof DataError || error instanceof BackendError) throw error;
    const got = visible(error instanceof Error ? error.message : String(error), 200);
    throw new DataError(`${source} must describe a network that can be made, got: ${got}; ${restore}`, { cause: error });
  }
}
