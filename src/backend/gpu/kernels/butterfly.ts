/** The matrix of a butterfly map, and its gradient (ops/butterfly-matrix.ts). A thread finds the bits of its places by divisions. */

import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, program, smallQuotient } from "../program.ts";

/** Multiplies `result` by the factor of every stage that `takes` for the entry (o, i). `low` is 2^stage. */
const multiplyFactors = (result: string, takes = ""): string => `
    let low = 1.0;
    for (let stage = 0; stage < stages; stage++) {
      const highO = ${smallQuotient("o", "low")};
      const highI = ${smallQuotient("i", "low")};
      const halfO = ${smallQuotient("highO", "2.0")};
      const halfI = ${smallQuotient("highI", "2.0")};
      const place = halfI * low + (o - highO * low);
      const bits = (highO - 2.0 * halfO) * 2.0 + (highI - 2.0 * halfI);
      ${takes}{ ${result} = ${result} * twiddle[mad(mad(stage, pairs, place), 4, bits)]; }
      low = low * 2.0;
    }`;

const matrix = program({
  name: "butterfly matrix",
  tensors: ["twiddle"],
  integers: ["stages", "pairs", "rows", "columns"],
  body: `
    ${coordinates([
      ["o", "rows"],
      ["i", "columns"],
    ])}
    let product = 1.0;
    ${multiplyFactors("product")}
    return product;`,
});

/**
 * A factor of stage s belongs to the entries whose bits are the pair's: those of o up to s, and those of i from s on. The loop runs through
 * the other bits: those of i below s, and those of o above.
 */
const gradient = program({
  name: "butterfly matrix: gradient",
  tensors: ["twiddle", "g"],
  integers: ["stages", "pairs", "rows", "columns", "sides"],
  body: `
    ${coordinates([
      ["s", "stages"],
      ["pair", "pairs"],
      ["bitO", "sides"],
      ["bitI", "sides"],
    ])}
    let below = 1.0;
    for (let step = 0; step < stages; step++) { if (step < s) { below = below * 2.0; } }
    const pairHigh = ${smallQuotient("pair", "below")};
    const pairLow = pair - pairHigh * below;
    let total = 0.0;
    for (let other = 0; other < pairs; other++) {
      const otherHigh = ${smallQuotient("other", "below")};
      const o = (otherHigh * 2.0 + bitO) * below + pairLow;
      const i = (pairHigh * 2.0 + bitI) * below + (other - otherHigh * below);
      if (o < rows && i < columns) {
        let term = g[mad(o, columns, i)];
        ${multiplyFactors("term", "if (stage != s) ")}
        total = total + term;
      }
    }
    return total;`,
});

export const butterflyKernels = (device: Device): Pick<Required<Kernels>, "butterflyMatrix" | "butterflyMatrixGradient"> => ({
  butterflyMatrix: (twiddle, { stages, rows, columns }) =>
    device.run(matrix, rows * columns, { twiddle, stages, pairs: 2 ** (stages - 1), rows, columns }),

  butterflyMatrixGradient: (twiddle, g, { stages, rows, columns }) =>
    device.run(gradient, twiddle.length, { twiddle, g, stages, pairs: 2 ** (stages - 1), rows, columns, sides: 2 }),
});
