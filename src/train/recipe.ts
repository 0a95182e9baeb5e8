/** Recipes: networks of the library's layers as JSON, from which the layers are made again. */

import { createShapeOnlyBackend } from "../backend/shape-only.ts";
import { ConfigError, DataError } from "../core/errors.ts";
import { type OptionNames, optionNames } from "../core/options.ts";
import { visible } from "../core/quote.ts";
import { accepted, dictionary, finite, list, object, optional, recursive, type Schema, text, whole } from "../core/schema.ts";
import { formatShape } from "../core/shape.ts";
import { NoDraws } from "../count/no-draws.ts";
import { withBackend } from "../count/with-backend.ts";
import { Darts } from "../models/darts.ts";
import { FastNet } from "../models/fast-net.ts";
import { ImageClassifier } from "../models/image-classifier.ts";
import { MobileNetV2 } from "../models/mobile-net-v2.ts";
import { ResNet } from "../models/res-net.ts";
import { WideResNet } from "../models/wide-resnet.ts";
import { BatchNorm2d } from "../nn/batch-norm2d.ts";
import { Residual, Sequential } from "../nn/combinators.ts";
import { ConvTranspose2d, type ConvTranspose2dOptions } from "../nn/conv-transpose2d.ts";
import { Conv2d, type Conv2dOptions } from "../nn/conv2d.ts";
import type { Description } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import {
  AvgPool2d,
  Dropout,
  Flatten,
  GELU,
  GlobalAvgPool2d,
  GlobalMaxPool2d,
  MaxPool2d,
  ReLU,
  ReLU6,
  Sigmoid,
  Tanh,
} from "../nn/layers.ts";
import { Linear } from "../nn/linear.ts";
import type { Layer, Module } from "../nn/module.ts";
import type { AveragePoolingOptions, PoolingOptions } from "../ops/pooling.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import { composedText } from "../structured/convolution-name.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { convolutionFactory, createLinear, Sep } from "../structured/create-convolution.ts";
import { Conv } from "../structured/dense.ts";
import type { FamilyOptions, FamilySpec, StructuredFamily } from "../structured/family.ts";
import { type FactoryOrigin, originOfFactory, originOfLayer } from "../structured/origin.ts";
import { builtInFamily, type ConvolutionSpec } from "../structured/spec.ts";

/** A layer as JSON: its description, and the recipes of the layers inside. */
export interface Recipe extends Description {
  readonly layers?: readonly Recipe[];
  /** The family of a structured layer, or of a network's convolutions. */
  readonly spec?: FamilySpec;
  readonly family?: FamilyOptions;
  /** Where a convolution stands. */
  readonly site?: ConvolutionSite;
}

/**
 * What a file may hold as a recipe. The kinds are checked where the layers are made, because makers and families may add to them. Options
 * are checked by the layer that they are for.
 */
export const recipeSchema: Schema<Recipe> = recursive(() =>
  object({
    kind: text,
    sizes: optional(list(finite())),
    options: optional(dictionary(anything)),
    layers: optional(list(recipeSchema)),
    spec: optional(specSchema),
    family: optional(dictionary(anything)),
    site: optional(siteSchema),
  }),
) as Schema<unknown> as Schema<Recipe>;

const anything: Schema<unknown> = accepted("a value", () => true);
const specSchema = object({ kind: text });
const siteSchema = object({ inChannels: whole(1), outChannels: whole(1), kernel: whole(1) });

/** Makes the layer of a class of your own from its description. */
export type LayerMaker = (description: Description, build: Build) => Layer;

export interface RecipeOptions {
  /** What makes the layers of your own classes, by the `kind` of their `describe()`. Default: none. */
  readonly makers?: Readonly<Record<string, LayerMaker>>;
  /** The records of families that are not built in. Default: none. */
  readonly families?: readonly StructuredFamily[];
}

/** The names of `RecipeOptions`. */
export const recipeOptions: OptionNames = optionNames<RecipeOptions>({ makers: true, families: true });

const networks = { WideResNet, ResNet, Darts, MobileNetV2, FastNet } as const;

type Make = (recipe: Recipe, build: Build, inner: () => Layer[]) => Layer;

const sizesOf = ({ sizes = [] }: Recipe): [number, number] => [sizes[0]!, sizes[1]!];

/** How each class of the library is made from its description. */
const libraryMakers: Readonly<Record<string, Make>> = {
  Sequential: (_, __, inner) => new Sequential(...inner()),
  Residual: (_, __, inner) => new Residual(...(inner() as [Layer, Layer?])),
  Linear: ({ options, ...recipe }, build) => new Linear(...sizesOf(recipe as Recipe), build, { bias: options?.bias !== false }),
  Conv2d: ({ options = {}, ...recipe }, build) => {
    const { kernel, ...rest } = options;
    return new Conv2d(...sizesOf(recipe as Recipe), kernel as number, build, rest as Conv2dOptions);
  },
  ConvTranspose2d: ({ options = {}, ...recipe }, build) => {
    const { kernel, ...rest } = options;
    return new ConvTranspose2d(...sizesOf(recipe as Recipe), kernel as number, build, rest as ConvTranspose2dOptions);
  },
  BatchNorm2d: ({ sizes = [], options = {} }, build) => new BatchNorm2d(sizes[0]!, build, options),
  ReLU,
  ReLU6,
  GELU,
  Sigmoid,
  Tanh,
  Flatten,
  GlobalAvgPool2d,
  GlobalMaxPool2d,
  Dropout: ({ sizes = [] }) => Dropout(sizes[0]!),
  // A file may hold any options. The layers check those that they get.
  MaxPool2d: ({ options: { kernel, ...rest } = {} }) => MaxPool2d({ kernel: kernel as number, ...(rest as Partial<PoolingOptions>) }),
  AvgPool2d: ({ options: { kernel, ...rest } = {} }) =>
    AvgPool2d({ kernel: kernel as number, ...(rest as Partial<AveragePoolingOptions>) }),
};

const hint = "save what readState() gives and load it with loadState, or give a maker for its kind in the option makers";

/** The recipe's part for what a convolution or a map was made from. */
const familyPart = ({ spec, options }: FactoryOrigin): Pick<Recipe, "spec" | "family"> => ({ spec, family: options });

/** The recipe of one of the networks; undefined for any other module, or for a factory of the user's own. */
export function networkRecipe(model: Module): Recipe | undefined {
  if (!(model instanceof ImageClassifier)) return undefined;
  const entry = Object.entries(networks).find(([, network]) => model.constructor === network);
  if (entry === undefined) return undefined;
  const { convolution = entry[0] === "Darts" ? Sep : Conv, ...options } = (model as InstanceType<(typeof networks)[keyof typeof networks]>)
    .options;
  const origin = originOfFactory(convolution);
  return origin && { kind: entry[0], options: options as Recipe["options"] & object, ...familyPart(origin) };
}

/**
 * The recipe of a module. It has not been checked that the recipe gives the module's state.
 * @param place The module's name in the network; "" for the network itself.
 * @throws ConfigError for an unknown class.
 */
function recipeOf(module: Module, options: RecipeOptions, place = ""): Recipe {
  const network = networkRecipe(module);
  if (network !== undefined) return network;
  const origin = originOfLayer(module);
  if (origin !== undefined) {
    const { at } = origin;
    return "kernel" in at ? { kind: "convolution", site: at, ...familyPart(origin) } : { kind: "map", sizes: at, ...familyPart(origin) };
  }
  const description = module.describe();
  const known = libraryMakers[description.kind] ?? options.makers?.[description.kind];
  if (known === undefined)
    throw new ConfigError(
      `saveModel: a layer must be of a class that can be made again, got ${description.kind}${place === "" ? "" : ` at ${place}`}; ${hint}`,
    );
  const inner: readonly [string, Layer | undefined][] | undefined =
    module instanceof Sequential
      ? module.layers.map((layer, position) => [String(position), layer])
      : module instanceof Residual
        ? [
            ["f", module.f],
            ["shortcut", module.shortcut],
          ]
        : undefined;
  const { whole: _, ...rest } = description;
  if (inner === undefined) return rest;
  const within = (name: string): string => (place === "" ? name : `${place}.${name}`);
  return { ...rest, layers: inner.flatMap(([name, layer]) => (layer ? [recipeOf(layer, options, within(name))] : [])) };
}

/** The spec of a recipe. @throws DataError for a recipe without one, and for a family that is not there. */
function specOf({ kind: layer, spec }: Recipe, families: readonly StructuredFamily[], source: string): ConvolutionSpec {
  if (spec === undefined)
    throw new DataError(`loadModel: ${source} must name the family of its ${visible(layer)}, got none; restore it from a copy`);
  return specOfRecipe(spec, source, families);
}

/** The spec that a file has as the spec of a recipe. @throws DataError for a family that is not there. */
export function specOfRecipe(spec: FamilySpec, source: string, families: readonly StructuredFamily[] = []): ConvolutionSpec {
  const { kind } = spec;
  if (builtInFamily(kind) !== undefined) return spec as ConvolutionSpec;
  const text = composedText(spec);
  if (text !== undefined) return composedSpec(text, source);
  const family = families.find((record) => record.kind === kind);
  if (family === undefined)
    throw new DataError(
      `loadModel: ${source} needs the family ${visible(kind)}, which is not built in; pass its record in the option families`,
    );
  return { kind: "own", family, spec };
}

/** The spec of a text that is made of other specs. @throws DataError for a text that is none. */
function composedSpec(text: string, source: string): ConvolutionSpec {
  try {
    return parseConvolution(text);
  } catch (cause) {
    throw new DataError(`loadModel: ${source} must name families that are built in, got ${visible(text)}; restore it from a copy`, {
      cause,
    });
  }
}

/** The layer of a recipe, newly initialised. @throws DataError for a class or a family that is not there. */
export function layerOf(recipe: Recipe, build: Build, source: string, options: RecipeOptions = {}): Layer {
  const { makers = {}, families = [] } = options;
  // The values are about to be overwritten. This is the one initialisation that decomposes no matrix.
  const family = (): FamilyOptions => ({ ...recipe.family, init: "variance-preserving" });
  if (Object.hasOwn(networks, recipe.kind)) {
    const convolution = convolutionFactory(specOf(recipe, families, source), family());
    const network = networks[recipe.kind as keyof typeof networks];
    return new network({ ...recipe.options, convolution } as never, build);
  }
  if (recipe.kind === "convolution") return convolutionFactory(specOf(recipe, families, source), family())(recipe.site!, build);
  if (recipe.kind === "map") return createLinear(specOf(recipe, families, source), ...sizesOf(recipe), build, family());
  if (Object.hasOwn(libraryMakers, recipe.kind))
    return libraryMakers[recipe.kind]!(recipe, build, () => (recipe.layers ?? []).map((inner) => layerOf(inner, build, source, options)));
  if (Object.hasOwn(makers, recipe.kind)) return makers[recipe.kind]!(recipe, build);
  throw new DataError(
    `loadModel: ${source} needs the class ${visible(recipe.kind)}, which is not the library's; pass what makes it in the option makers`,
  );
}

/** The names and the shapes of the state. */
const stateShape = (module: Module): string => [...module.state()].map(([name, { shape }]) => `${name} ${formatShape(shape)}`).join("\n");

/**
 * The recipe of a network. Its classes are the networks, the library's layers, structured convolutions that a factory has made, and
 * the classes that the options name.
 * @throws ConfigError for a layer of any other class.
 */
export function checkedRecipe(module: Module, options: RecipeOptions = {}): Recipe {
  // What the file will hold is what is checked.
  const recipe = JSON.parse(JSON.stringify(recipeOf(module, options))) as Recipe;
  const again = withBackend(createShapeOnlyBackend(), () => stateShape(layerOf(recipe, { random: new NoDraws() }, "the recipe", options)));
  if (again !== stateShape(module))
    throw new ConfigError(`saveModel: the network must be made again from its description, got another state for ${recipe.kind}; ${hint}`);
  return recipe;
}
