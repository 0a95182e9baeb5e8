/** The error of one convolution against its parameters, for the ranks and the numbers of windows that a family can have. */

import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import type { TensorArray } from "../linalg/tensor-array.ts";
import type { ConvolutionSite } from "../structured/convolution-factory.ts";
import type { NamedFamily } from "../structured/convolution-text.ts";
import { convolutionFactory } from "../structured/create-convolution.ts";
import type { BudgetSearch } from "../structured/family.ts";
import { specAt } from "../structured/search-position.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { StructuredConvolution } from "../structured/structured-convolution.ts";
import { WindowSum, windowsOf } from "../structured/window-sum.ts";
import { refusal } from "./approximate-convolution.ts";

/** One way to write a convolution with fewer parameters. */
export interface LayerCandidate {
  readonly spec: ConvolutionSpec;
  readonly windows: number;
  readonly parameters: number;
  /** ‖K − K̃‖/‖K‖. */
  readonly error: number;
}

/** A dense convolution of a network, and where it stands. */
export interface PlannedConvolution {
  /** The name in the network, such as `block1.0.layer.0.conv1`. */
  readonly name: string;
  readonly kernel: TensorArray;
  readonly site: ConvolutionSite;
}

/** From one candidate to the next the parameters rise by this factor or more. */
const rungs = 1.2;
/** The positions of a search that are tried: each is larger than the last by this factor. */
const stride = 1.12;

/** A convolution, and the errors that its fits have had. */
export class LayerSearch {
  readonly convolution: PlannedConvolution;
  /** The parameters of the dense convolution. */
  readonly parameters: number;
  readonly #family: NamedFamily;
  readonly #search: BudgetSearch | undefined;
  readonly #windows: number;
  readonly #seed: number;
  /** By position and by the number of windows. Positions that make the same layer share an entry. */
  readonly #known = new Map<string, readonly LayerCandidate[]>();

  /** @param windows The largest number of windows. */
  constructor(convolution: PlannedConvolution, family: NamedFamily, { windows, seed }: { windows: number; seed: number }) {
    this.convolution = convolution;
    const { kernel, site } = convolution;
    this.parameters = kernel.data.length + (site.bias ? site.outChannels : 0);
    this.#family = family;
    this.#search = family.family.budget;
    this.#windows = Math.min(windows, site.kernel ** 2);
    this.#seed = seed;
  }

  /** The convolution as it is. */
  get dense(): LayerCandidate {
    return { spec: { kind: "Conv" }, windows: 1, parameters: this.parameters, error: 0 };
  }

  #specAt(position: number): ConvolutionSpec {
    if (this.#search !== undefined) return specAt(this.#family, this.#search, position);
    return { kind: this.#family.family.kind } as ConvolutionSpec;
  }

  /** The layer with one window at a position; undefined where the layer refuses the value. */
  #layerAt(position: number): StructuredConvolution | undefined {
    try {
      const layer = convolutionFactory(this.#specAt(position), { init: "variance-preserving" })(this.convolution.site, this.#build());
      const refused = refusal(layer, this.#specAt(position));
      if (refused !== undefined) throw new RefusedError(`compress: ${refused}`);
      return layer as StructuredConvolution;
    } catch (error) {
      if (error instanceof ConfigError && !(error instanceof RefusedError) && this.#search?.refusesSmallValues) return undefined;
      throw error;
    }
  }

  #build(): { random: Random; dtype: "float32" } {
    return { random: new Random(this.#seed), dtype: "float32" };
  }

  #parametersAt(position: number): number | undefined {
    const layer = this.#layerAt(position);
    const parameters = layer?.parameterCount();
    layer?.dispose();
    return parameters;
  }

  /** The positions whose layers differ noticeably in size, up to the size of the dense convolution. */
  positions(): number[] {
    if (this.#search === undefined) return [1];
    const found = new Map<number, number>();
    for (let position = 1; position <= this.#search.positions; position = Math.max(position + 1, Math.floor(position * this.#stride))) {
      const parameters = this.#parametersAt(position);
      if (parameters === undefined || found.has(parameters)) continue;
      if (this.#search.rises && parameters >= this.parameters) break;
      if (parameters < this.parameters) found.set(parameters, position);
    }
    const kept: number[] = [];
    let last = 0;
    for (const [parameters, position] of [...found].sort(([a], [b]) => a - b)) {
      if (parameters < rungs * last) continue;
      kept.push(position);
      last = parameters;
    }
    return kept;
  }

  get #stride(): number {
    return this.#search?.rises ? stride : 1;
  }

  /** The candidates at a position with one window, two, and so on, while they have fewer parameters than the dense convolution. */
  async at(position: number): Promise<readonly LayerCandidate[]> {
    const one = this.#parametersAt(position);
    if (one === undefined || one >= this.parameters) return [];
    const key = `${this.#search?.rises ? "" : position} ${one}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const windows = Math.max(1, Math.min(this.#windows, Math.floor(this.parameters / one)));
    const spec = this.#specAt(position);
    const made = convolutionFactory(windowsOf(spec, windows), { init: "variance-preserving" })(this.convolution.site, this.#build());
    const layer = made as StructuredConvolution;
    const errors =
      layer instanceof WindowSum
        ? await layer.approximateByTerms(this.convolution.kernel)
        : [(await layer.approximateKernel(this.convolution.kernel)).relative];
    const sizes = layer instanceof WindowSum ? layer.terms.map((term) => term.parameterCount()) : [layer.parameterCount()];
    layer.dispose();
    let parameters = 0;
    const candidates = errors.map((error, t): LayerCandidate => {
      parameters += sizes[t]!;
      return { spec: windowsOf(spec, t + 1), windows: t + 1, parameters, error };
    });
    this.#known.set(key, candidates);
    return candidates;
  }

  /** All candidates that the positions give, from the fewest parameters to the dense convolution. */
  async curve(): Promise<LayerCandidate[]> {
    const all: LayerCandidate[] = [];
    for (const position of this.positions()) all.push(...(await this.at(position)));
    return [...all.filter(({ parameters }) => parameters < this.parameters), this.dense].sort((a, b) => a.parameters - b.parameters);
  }

  /**
   * The candidate with the fewest parameters whose error is at most `error`. Between two positions of the curve it bisects. So for families
   * whose error falls with the parameters, no smaller rank with as many windows is within the error.
   */
  async within(error: number): Promise<LayerCandidate> {
    const positions = this.positions();
    const taken: (readonly LayerCandidate[])[] = [];
    for (const position of positions) taken.push(await this.at(position));
    const isWithin = (candidate: LayerCandidate | undefined): candidate is LayerCandidate =>
      candidate !== undefined && candidate.error <= error;
    const found = Array.from({ length: this.#windows }, (_, t) => ({ t, first: taken.findIndex((row) => isWithin(row[t])) }))
      .filter(({ first }) => first >= 0)
      .sort((a, b) => taken[a.first]![a.t]!.parameters - taken[b.first]![b.t]!.parameters);
    let best = this.dense;
    for (const { t, first } of found) {
      // The position before is not within the error, so a refined one has more parameters.
      if ((taken[first - 1]?.[t]?.parameters ?? 0) >= best.parameters) continue;
      const candidate = this.#search?.rises
        ? await this.#refined(positions[first - 1] ?? 0, positions[first]!, t, isWithin)
        : taken[first]![t]!;
      if (candidate.parameters < best.parameters) best = candidate;
    }
    return best;
  }

  /** The candidate at the first position after `beyond` that is accepted. The position `within` is accepted. */
  async #refined(
    beyond: number,
    within: number,
    t: number,
    accepts: (candidate: LayerCandidate | undefined) => boolean,
  ): Promise<LayerCandidate> {
    let [low, high] = [beyond, within];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (accepts((await this.at(middle))[t])) high = middle;
      else low = middle;
    }
    return (await this.at(high))[t]!;
  }
}

/** A family without a best approximation, which no value of its hyper-parameter changes. */
class RefusedError extends ConfigError {}
