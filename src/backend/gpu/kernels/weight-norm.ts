/** A factor with a limited root mean square, and its gradients (ops/weight-norm.ts): two launches each, a sum and the elements. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { program } from "../program.ts";
import { sumPartials } from "./reductions.ts";

/** Σ a·b over every `parts`-th element from the thread's index on. */
const partialProducts = program({
  name: "limited norm: partial products",
  tensors: ["a", "b"],
  integers: ["length", "parts", "steps"],
  body: `
    let total = 0.0;
    for (let k = 0; k < steps; k++) {
      const at = k * parts + this.thread.x;
      if (at < length) { total = total + a[mad(k, parts, this.thread.x)] * b[mad(k, parts, this.thread.x)]; }
    }
    return total;`,
});

/** Declares `name`, the sum of the first elements of `tensor`. */
const declareSum = (name: string, tensor: string, count: string): string => `
    let ${name} = 0.0;
    for (let p = 0; p < ${count}; p++) { ${name} = ${name} + ${tensor}[p]; }`;

/** The elements of y, and behind them the sum of squares. */
const scaled = program({
  name: "limited norm",
  tensors: ["x", "gain", "squares"],
  integers: ["length", "parts"],
  floats: ["factor"],
  body: `
    ${declareSum("square", "squares", "parts")}
    if (this.thread.x >= length) { return square; }
    return x[this.thread.x] * (gain[0] / Math.sqrt(Math.max(square * factor, 1.0)));`,
});

/** The elements of x̄, and behind them γ̄. */
const gradients = program({
  name: "limited norm: gradients",
  tensors: ["x", "gain", "square", "g", "products"],
  integers: ["length", "parts"],
  floats: ["factor"],
  body: `
    ${declareSum("product", "products", "parts")}
    const ratio = square[0] * factor;
    const bounded = Math.max(ratio, 1.0);
    const root = Math.sqrt(bounded);
    if (this.thread.x >= length) { return product / root; }
    let slope = 0.0;
    if (ratio > 1.0) { slope = 1.0; }
    if (ratio == 1.0) { slope = 0.5; }
    return gain[0] / root * (g[this.thread.x] - slope * factor * product / bounded * x[this.thread.x]);`,
});

/** A partial sum has at least so many terms. */
const minimumTerms = 64;

/** Every thread adds up at most so many partial sums. More are added up by a launch of their own. */
const mostParts = 64;

export const weightNormKernels = (device: Device): Pick<Required<Kernels>, "limitedNorm" | "limitedNormGradient"> => {
  function products(a: Storage, b: Storage): { partials: Storage; parts: number } {
    const { length } = a;
    const parts = Math.min(mostParts ** 2, Math.ceil(length / minimumTerms));
    const partials = device.run(partialProducts, parts, { a, b, length, parts, steps: Math.ceil(length / parts) });
    return parts <= mostParts ? { partials, parts } : { partials: sumPartials(device, partials, parts), parts: 1 };
  }

  return {
    limitedNorm(x, gain, factor) {
      const { partials: squares, parts } = products(x, x);
      const { y, square } = device.runAll(scaled, { y: x.length, square: 1 }, { x, gain, squares, length: x.length, parts, factor });
      squares.release();
      return { y, square };
    },

    limitedNormGradient(x, gain, square, g, factor) {
      const { partials, parts } = products(g, x);
      const inputs = { x, gain, square, g, products: partials, length: x.length, parts, factor };
      const { ofX, ofGain } = device.runAll(gradients, { ofX: x.length, ofGain: 1 }, inputs);
      partials.release();
      return { x: ofX, gain: ofGain };
    },
  };
};
