/** Muon: momentum whose steps are orthogonal matrices. */

import { kernels } from "../backend/active.ts";
import { ConfigError } from "../core/errors.ts";
import { checkNumbers } from "../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { matricesOf } from "../nn/matrix-view.ts";
import type { Buffer, State } from "../nn/state.ts";
import { add, divide, multiply, subtract } from "../ops/elementwise.ts";
import { permute } from "../ops/layout.ts";
import { reshape } from "../ops/reshape.ts";
import { noGrad } from "../tape/tape.ts";
import { keep, scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { GroupOptimizer, zeroState } from "./group-optimizer.ts";
import { flattenGroups, type OptimizedParameter, type ParameterGroup } from "./optimizer.ts";
import { frobeniusNorm, orthogonalise } from "./orthogonalise.ts";

export interface MuonOptions {
  /** The momentum, in [0, 1). Default: 0.95. */
  readonly momentum?: number;
  /** Whether to use Nesterov's momentum. Default: true. */
  readonly nesterov?: boolean;
  /** The number of Newton–Schulz iterations, ≥ 1. Default: 5. */
  readonly iterations?: number;
  /**
   * Whether a weight of b matrices with m rows each is scaled to ‖W‖ = √(b·m) before its step. This suits weights whose scale a norm behind
   * them removes: the rate is then the size of a step relative to the weight. Default: false.
   */
  readonly normalise?: boolean;
}

/** The names of `MuonOptions`. */
export const muonOptions: OptionNames = optionNames<MuonOptions>({ momentum: true, nesterov: true, iterations: true, normalise: true });

/** A parameter with its velocity. */
interface MuonEntry extends OptimizedParameter {
  readonly velocity: Buffer;
}

/**
 * v ← momentum·v + g, and W ← W − lr·(√max(1, m/n)·orthogonalise(d) + λ·W) with d = g + momentum·v (Nesterov) or d = v (Jordan 2024, "Muon: an
 * optimizer for hidden layers in neural networks"). The kernel of a convolution, [O,I,k,k], is a matrix of m = O rows and n = I·k² columns.
 * A grouped convolution and a structured factor consist of several matrices [m,n] (`MatrixView`), and the step of each is made orthogonal by
 * itself. Weight decay λ is decoupled. Vectors, and layers that are no hidden maps, belong to another optimiser (`CombinedOptimizer`).
 * @throws ConfigError for a parameter that is no matrix, and for options out of range. @throws ShapeError for a view that does not fit.
 */
export class Muon extends GroupOptimizer<MuonEntry> {
  readonly #options: Required<MuonOptions>;

  constructor(groups: readonly ParameterGroup[], options: MuonOptions = {}) {
    checkOptions("Muon", options, muonOptions);
    const { momentum = 0.95, nesterov = true, iterations = 5, normalise = false } = options;
    checkNumbers("Muon", { momentum }, { least: 0, below: 1 });
    checkNumbers("Muon", { iterations }, { integer: true, least: 1 });
    const velocityOf = ({ name, parameter }: OptimizedParameter): Buffer => {
      if (matricesOf(parameter) !== undefined) return zeroState(parameter);
      throw new ConfigError(
        `Muon: parameters must be matrices or kernels, got ${name}: ${formatShape(parameter.shape)}; give it to Sgd or Adam`,
      );
    };
    super(
      "Muon",
      flattenGroups("Muon", groups).map((entry) => ({ ...entry, velocity: velocityOf(entry) })),
    );
    this.#options = { momentum, nesterov, iterations, normalise };
  }

  protected override update(entries: readonly MuonEntry[], gradients: readonly Tensor[], learningRate: number): void {
    scope(() =>
      noGrad(() => {
        // Everything that takes memory comes before the first change, so that a step that fails has changed nothing.
        const steps = entries.map((entry, i) => this.#stepOf(entry, gradients[i]!, learningRate));
        const table = entries.map(({ parameter, weightDecay, rateFactor }, i) => ({
          parameter: parameter.value.storage,
          gradient: steps[i]!.update.storage,
          momentum: undefined,
          learningRate: 1,
          weightDecay: learningRate * rateFactor * weightDecay,
        }));
        kernels().sgdUpdate(table, { momentum: 0, nesterov: false, first: false });
        for (const [i, { velocity }] of entries.entries()) velocity.value = keep(steps[i]!.velocity);
      }),
    );
  }

  /** The new velocity, and what is to be subtracted from the weight beside its decay. */
  #stepOf({ parameter, velocity, rateFactor }: MuonEntry, gradient: Tensor, learningRate: number): { velocity: Tensor; update: Tensor } {
    const { momentum, nesterov, iterations, normalise } = this.#options;
    const { value } = parameter;
    const { shape, order, batch, rows, columns } = matricesOf(parameter)!;
    const next = add(multiply(velocity.value, momentum), gradient);
    const direction = nesterov ? add(gradient, multiply(next, momentum)) : next;
    const ordered = permute(reshape(direction, shape), order);
    const matrices = reshape(ordered, batch === 1 ? [rows, columns] : [batch, rows, columns]);
    const back = order.map((_, axis) => order.indexOf(axis));
    const orthogonal = reshape(permute(reshape(orthogonalise(matrices, iterations), ordered.shape), back), value.shape);
    const step = multiply(orthogonal, learningRate * rateFactor * Math.sqrt(Math.max(1, rows / columns)));
    if (!normalise) return { velocity: next, update: step };
    // With b matrices of m rows, W − (1 − √(b·m)/‖W‖)·W is the weight of norm √(b·m). A weight of zeros stays as it is.
    const excess = subtract(1, divide(Math.sqrt(batch * rows), add(frobeniusNorm(value), 1e-7)));
    return { velocity: next, update: add(step, multiply(value, excess)) };
  }

  state(): Map<string, State> {
    return new Map(this.entries.map(({ name, velocity }): [string, State] => [`velocity.${name}`, velocity]));
  }

  dispose(): void {
    for (const { velocity } of this.entries) velocity.value.dispose();
  }
}
