/** The cross-entropy of logits and its gradient (ops/cross-entropy.ts). Forward takes two launches: the rows, and their sum. */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, isNotANumber, type Program, program } from "../program.ts";

/**
 * [3, rows]: the share of each row in the loss, its maximum m, and Σ_c e^(x_c − m). Where m is not finite, the sum is NaN, which makes the
 * row NaN.
 */
const rowsProgram = program({
  name: "cross-entropy: rows",
  tensors: ["logits", "labels"],
  integers: ["kinds", "rows", "classes"],
  floats: ["labelSmoothing", "nan"],
  body: `
    ${coordinates([
      ["kind", "kinds"],
      ["n", "rows"],
    ])}
    let maximum = logits[mad(n, classes, 0)];
    for (let c = 1; c < classes; c++) {
      const v = logits[mad(n, classes, c)];
      if (v > maximum || ${isNotANumber("v")}) { maximum = v; }
    }
    if (!(Math.abs(maximum) <= 3.4028234663852886e38)) { return nan; }
    if (kind > 0.5 && kind < 1.5) { return maximum; }
    let sum = 0.0;
    let shifts = 0.0;
    for (let d = 0; d < classes; d++) {
      const shifted = logits[mad(n, classes, d)] - maximum;
      sum = sum + Math.exp(shifted);
      if (labelSmoothing > 0.0) { shifts = shifts + shifted; }
    }
    if (kind > 1.5) { return sum; }
    // A read within the index of another read becomes a float of its own, which GLSL refuses as an argument.
    const label = labels[n];
    const chosen = logits[mad(n, classes, label)] - maximum;
    return (Math.log(sum) - (1.0 - labelSmoothing) * chosen - labelSmoothing * shifts / classes) / rows;`,
});

/** The cotangent g of the loss is a tensor, or a number that the host knows, as at the beginning of a backward pass. */
const gradientProgram = (isKnown: boolean): Program =>
  program({
    name: `cross-entropy: gradient${isKnown ? " of a known cotangent" : ""}`,
    tensors: ["logits", "labels", "maximum", "sum", ...(isKnown ? [] : ["g"])],
    integers: ["rows", "classes"],
    floats: ["labelSmoothing", "nan", ...(isKnown ? ["g"] : [])],
    body: `
    ${coordinates([
      ["n", "rows"],
      ["c", "classes"],
    ])}
    const total = sum[n];
    // Drivers compute e^NaN = ∞.
    if (${isNotANumber("total")}) { return nan; }
    const isTarget = labels[n] == c ? 1.0 : 0.0;
    const target = (1.0 - labelSmoothing) * isTarget + labelSmoothing / classes;
    return (Math.exp(logits[this.thread.x] - maximum[n]) / total - target) * ${isKnown ? "g" : "g[0]"} / rows;`,
  });
const gradientPrograms = { known: gradientProgram(true), computed: gradientProgram(false) };

export const crossEntropyKernels = (
  device: Device,
  { reduce }: Pick<Kernels, "reduce">,
): Pick<Required<Kernels>, "crossEntropy" | "crossEntropyGradient"> => ({
  crossEntropy(logits, labels, geometry) {
    const { rows } = geometry;
    const inputs = { logits, labels, ...geometry, kinds: 3, nan: Number.NaN };
    const { share, maximum, sum } = device.runAll(rowsProgram, { share: rows, maximum: rows, sum: rows }, inputs);
    const loss = reduce("sum", share, { outer: 1, axis: rows, inner: 1 });
    share.release();
    return { loss, maximum, sum };
  },

  crossEntropyGradient(logits, labels, { maximum, sum }, g, geometry) {
    const { constant } = device.own(g);
    const what = constant === undefined ? gradientPrograms.computed : gradientPrograms.known;
    return device.run(what, logits.length, { logits, labels, maximum, sum, g: constant ?? g, ...geometry, nan: Number.NaN });
  },
});
