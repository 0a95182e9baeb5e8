/**
 * A family of structured convolutions as one record. The record says how the family is written in text, which hyper-parameter a budget may
 * choose, how its map W:[out,in] and its convolution are made, and which sizes show it well. Everything else that treats families reads the
 * record.
 */

import { ConfigError } from "../core/errors.ts";
import { type OptionNames, optionNames } from "../core/options.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import type { SeparableOptions } from "./separable.ts";
import type { StructuredLinear, StructuredOptions } from "./structured-linear.ts";

/** Options of a convolution that are not hyper-parameters of its family. */
export interface FamilyOptions extends StructuredOptions {
  /** For hashed kinds: leave the last shared weight unused, as the paper's code does (docs/faithfulness.md). Default: false. */
  readonly lastWeightUnused?: boolean;
}

/** The names of `FamilyOptions`. */
export const familyOptions: OptionNames = optionNames<FamilyOptions>({ bias: true, mode: true, init: true, lastWeightUnused: true });

/** One hyper-parameter, in the order in which the text form has them: `MatrixTensorTrain_8_2` has rank 8 and 2 cores. */
export interface HyperParameter<Name extends string = string> {
  /** The field of the spec. */
  readonly name: Name;
  /** An integer of at least 1, or any number above 0. */
  readonly range: "whole" | "positive";
  /** The value where the text has none. A hyper-parameter without a default must be written. */
  readonly default?: number;
  /** Whether the default is written too. Default: false. */
  readonly writesDefault?: boolean;
  /** The text has the value plus this number. Default: 0. */
  readonly textOffset?: number;
  /** The largest value. Default: 65,536 for an integer, and 1,024 for any other number. No layer can use more. */
  readonly most?: number;
}

/** The largest value that a hyper-parameter may have. */
export const mostOf = ({ range, most }: HyperParameter): number => most ?? (range === "whole" ? 65_536 : 1024);

/** @throws ConfigError for a hyper-parameter that is larger than its family allows. */
export function checkHyperParameters({ kind, parameters }: StructuredFamily, spec: FamilySpec): void {
  for (const parameter of parameters) {
    const [value, most] = [parameterValue(spec, parameter.name), mostOf(parameter)];
    if (value > most) throw new ConfigError(`${kind}: ${parameter.name} must be at most ${most}, got ${value}`);
  }
}

/** How `--budget` searches one hyper-parameter: at positions 1, 2, …, each of which stands for a value. */
export interface BudgetSearch<Name extends string = string> {
  readonly name: Name;
  readonly positions: number;
  /** The value at a position is the position divided by this number. */
  readonly divisor: number;
  /**
   * Whether the number of parameters never falls from one position to the next. The search bisects if so, and tries every position
   * otherwise.
   */
  readonly rises: boolean;
  /** Whether layers refuse values that are too small. Such a value counts as smaller than any other. */
  readonly refusesSmallValues: boolean;
}

/** The spec of a family: its kind, and a number for each hyper-parameter. */
export type FamilySpec<Kind extends string = string, Name extends string = string> = { readonly kind: Kind } & (string extends Name
  ? unknown
  : { readonly [N in Name]: number });

/** The record of a family. `Kind` and `Name` are inferred by `defineFamily`. */
export interface StructuredFamily<Kind extends string = string, Name extends string = string> {
  /** The word of the text form, in letters and digits: `TensorTrain` of `TensorTrain_0.44`. */
  readonly kind: Kind;
  /** The name in reports. Default: the kind. */
  readonly title?: string;
  /** Another name that `inspect --layer` accepts beside the kind in kebab case. */
  readonly alias?: string;
  readonly parameters: readonly HyperParameter<Name>[];
  /** How `--budget` searches a hyper-parameter. Default: `--budget` refuses the family. */
  readonly budget?: BudgetSearch<Name>;
  /** How the common wrapper treats the map. Default: a depthwise window, then the map. */
  readonly wrapper?: SeparableOptions;
  /** Hyper-parameters that show the family. */
  readonly examples: {
    /** The example that `inspect` takes if only the family is named. It has about a quarter of the dense parameters at 64 → 64. */
    readonly inspect: FamilySpec<Kind, Name>;
    /** The examples that `bench --structured` measures. Default: none. */
    readonly bench?: readonly FamilySpec<Kind, Name>[];
  };
  /** The map W:[out,in]. @throws ConfigError for sizes or hyper-parameters that the family cannot have. */
  linear(spec: FamilySpec<Kind, Name>, inFeatures: number, outFeatures: number, build: Build, options: FamilyOptions): StructuredLinear;
  /** The convolution, if it is not the common wrapper around `linear`. @throws ConfigError for a site that the family cannot have. */
  convolution?(spec: FamilySpec<Kind, Name>, site: ConvolutionSite, build: Build, options: FamilyOptions): Layer;
}

/** The spec of the family that a record describes. */
export type SpecOfFamily<F> = F extends StructuredFamily<infer Kind, infer Name> ? FamilySpec<Kind, Name> : never;

/** The record as it is, with its kind and the names of its hyper-parameters in its type. */
export const defineFamily = <const Kind extends string, const Name extends string = never>(
  family: Omit<StructuredFamily<Kind, NoInfer<Name>>, "parameters"> & { readonly parameters: readonly HyperParameter<Name>[] },
): StructuredFamily<Kind, Name> => family;

type HyperParameterOptions = Omit<HyperParameter, "name" | "range">;

/** A hyper-parameter that is an integer of at least 1. */
export const whole = <const Name extends string>(name: Name, options: HyperParameterOptions = {}): HyperParameter<Name> => ({
  name,
  range: "whole",
  ...options,
});

/** A hyper-parameter that is any number above 0. */
export const positive = <const Name extends string>(name: Name, options: HyperParameterOptions = {}): HyperParameter<Name> => ({
  name,
  range: "positive",
  ...options,
});

/** Scales and fractions that a search finds have four decimals, so that the text form is short. */
const decimals = 1e4;
/**
 * The largest rank (or number of terms or factors) and the largest number of groups or blocks that a search tries. No network here can use
 * more.
 */
const [mostRanks, mostGroups] = [4096, 64];

/** Searches a scale or a fraction up to `largest`. */
export const searchScale = <const Name extends string>(name: Name, largest: number): BudgetSearch<Name> => ({
  name,
  positions: largest * decimals,
  divisor: decimals,
  rises: true,
  refusesSmallValues: true,
});

/** Searches a rank, or the number of terms or factors. */
export const searchRank = <const Name extends string>(name: Name, { refusesSmallValues = true } = {}): BudgetSearch<Name> => ({
  name,
  positions: mostRanks,
  divisor: 1,
  rises: true,
  refusesSmallValues,
});

/**
 * Searches the number of groups or blocks. It is lowered to a divisor of each layer's sizes, so more groups need not mean fewer parameters.
 */
export const searchGroups = <const Name extends string>(name: Name): BudgetSearch<Name> => ({
  name,
  positions: mostGroups,
  divisor: 1,
  rises: false,
  refusesSmallValues: true,
});

/** The number that a spec has for a hyper-parameter. */
export const parameterValue = (spec: FamilySpec, name: string): number => (spec as Readonly<Record<string, unknown>>)[name] as number;
