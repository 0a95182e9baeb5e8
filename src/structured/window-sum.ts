/** A k×k convolution with several depthwise windows, each with a structured map behind it: a sum of separable terms. */

import type { Context } from "../core/context.ts";
import { ConfigError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { frobenius } from "../linalg/matrix.ts";
import { type TensorArray, tensorArray } from "../linalg/tensor-array.ts";
import type { Description } from "../nn/describe.ts";
import type { Build } from "../nn/init.ts";
import type { Layer } from "../nn/module.ts";
import type { Parameter } from "../nn/state.ts";
import { add } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ConvolutionSite } from "./convolution-factory.ts";
import { convolutionName } from "./convolution-name.ts";
import { convolutionFactory, createLinear } from "./create-convolution.ts";
import type { FamilyOptions, FamilySpec, StructuredFamily } from "./family.ts";
import { separableRest } from "./kernel-split.ts";
import { checkSizes } from "./sizes.ts";
import { type ConvolutionSpec, type OwnSpec, ownSpec } from "./spec.ts";
import { type ApproximationError, difference, readValues, StructuredConvolution } from "./structured-convolution.ts";
import type { StructuredLinear } from "./structured-linear.ts";

/**
 * y = Σ_t P_t·(d_t ∗ x) + b, the sum of convolutions of one site.   x:[N,I,H,W] → y:[N,O,H′,W′].
 * With windows d_t, the kernel of each input channel has rank ≤ the number of terms, K[:,i,:,:] = Σ_t P_t[:,i]·d_t[i]ᵀ. So k² terms with
 * dense maps give any kernel. Only the first term has a bias. Parameters and multiply-adds are those of all terms.
 */
export class WindowSum extends StructuredConvolution {
  readonly name = "WindowSum";
  readonly terms: readonly StructuredConvolution[];

  /** @param make Makes one term. @throws ConfigError for a term that is no structured convolution. */
  constructor(site: ConvolutionSite, windows: number, make: (site: ConvolutionSite) => Layer) {
    super();
    this.terms = Array.from({ length: windows }, (_, t) => {
      const term = make(t === 0 ? site : { ...site, bias: false });
      if (!(term instanceof StructuredConvolution))
        throw new ConfigError(`WindowSum: each term must be a StructuredConvolution, got ${term.describe().kind}`);
      return term;
    });
  }

  override describe(): Description {
    return { kind: this.name, options: { windows: this.terms.length } };
  }

  get bias(): Parameter | undefined {
    return this.terms[0]!.bias;
  }

  forward(x: Tensor, context: Context): Tensor {
    return this.terms.map((term) => term.forward(x, context)).reduce(add);
  }

  toDenseKernel(): Tensor {
    return this.terms.map((term) => term.toDenseKernel()).reduce(add);
  }

  paperMultiplyAdds(input: Shape, output: Shape): number {
    return this.terms.reduce((total, term) => total + term.paperMultiplyAdds(input, output), 0);
  }

  approximationRefusal(kind: string): string | undefined {
    return this.terms[0]!.approximationRefusal(kind);
  }

  /**
   * Each term approximates what the terms before it have left. So the error with the first t terms alone is that of a sum of t windows.
   * The separable part of the error is what the best t windows with dense maps would lose, and the structured part is the rest.
   */
  async approximateKernel(kernel: TensorArray): Promise<ApproximationError> {
    const relative = (await this.approximateByTerms(kernel)).at(-1)!;
    const least = separableRest(kernel, this.terms.length) / (frobenius(kernel.data) || 1);
    // A term with a window of its own between two maps can be nearer than a window with a dense map behind it.
    const separable = Math.min(relative, least);
    return { relative, separable, structured: Math.sqrt(relative ** 2 - separable ** 2) };
  }

  /** Approximates the kernel, and gives the relative error after each term. */
  async approximateByTerms(kernel: TensorArray): Promise<number[]> {
    const errors: number[] = [];
    let rest = kernel;
    for (const term of this.terms) {
      await term.approximateKernel(rest);
      rest = tensorArray(kernel.shape, difference(rest.data, await readValues(() => term.toDenseKernel())));
      errors.push(frobenius(rest.data) / (frobenius(kernel.data) || 1));
    }
    return errors;
  }

  override maps(): readonly StructuredLinear[] {
    return this.terms.flatMap((term) => term.maps());
  }

  decayedWeight(): Tensor | undefined {
    const parts = this.terms.map((term) => term.decayedWeight());
    return parts.some((part) => part === undefined) ? undefined : this.toDenseKernel();
  }
}

/**
 * The spec of convolutions with `windows` windows, written `Generic_0.25x2` for two. A k×k site has at most k² windows, which is enough for
 * any kernel; a 1×1 site has one map.
 * @throws ConfigError unless windows is an integer from 1 to 1,024.
 */
export function windowsOf(spec: ConvolutionSpec, windows: number): ConvolutionSpec {
  checkSizes("windowsOf", { windows });
  if (windows > mostWindows) throw new ConfigError(`windowsOf: windows must be at most ${mostWindows}, got ${windows}`);
  if (windows === 1) return spec;
  const text = `${convolutionName(spec)}x${windows}`;
  const family: StructuredFamily = {
    kind: text,
    parameters: [],
    examples: { inspect: { kind: text } },
    linear: (_, inFeatures, outFeatures, build, options) => createLinear(spec, inFeatures, outFeatures, build, options),
    convolution: (_, site, build, options) => windowSum(spec, windows, site, build, options),
  };
  return composed(family, text);
}

/** The most windows that a text may ask for. No site has more than k². */
const mostWindows = 1024;

/** The convolution of a site, with as many windows as the site can use. */
function windowSum(spec: ConvolutionSpec, windows: number, site: ConvolutionSite, build: Build, options: FamilyOptions): Layer {
  const factory = convolutionFactory(spec, options);
  const used = Math.min(windows, site.kernel ** 2);
  return used === 1 ? factory(site, build) : new WindowSum(site, used, (one) => factory(one, build));
}

/** A spec that is made of others. `text` is how it is written; files keep the text, from which the spec is read again. */
export const composed = (family: StructuredFamily, text: string): OwnSpec =>
  ownSpec(family, { kind: family.kind, text } as FamilySpec as FamilySpec<string, never>);
