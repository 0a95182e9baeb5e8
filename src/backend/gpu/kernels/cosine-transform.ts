/**
 * y = D·x along an axis, with D of core/cosine-transform.ts, as a product with the matrix: n multiply-adds for each element, in one launch.
 * A fast transform would need fewer multiply-adds, but a launch for each of its passes.
 */

import { cosineMatrix } from "../../../core/cosine-transform.ts";
import type { Kernels } from "../../kernels.ts";
import type { Device } from "../device.ts";
import { coordinates, program } from "../program.ts";

const transform = program({
  name: "cosine transform",
  tensors: ["D", "x"],
  integers: ["outer", "axis", "inner", "row", "column"],
  body: `
    ${coordinates([
      ["o", "outer"],
      ["k", "axis"],
      ["i", "inner"],
    ])}
    let total = 0.0;
    for (let j = 0; j < axis; j++) {
      total = total + D[mad(k, row, mad(j, column, 0))] * x[mad(mad(o, axis, j), inner, i)];
    }
    return total;`,
});

export const cosineTransformKernels = (device: Device): Pick<Kernels, "cosineTransform"> => ({
  cosineTransform(x, transpose, { outer, axis, inner }) {
    const D = device.table(`cosine ${axis}`, () => cosineMatrix(axis));
    const strides = transpose ? { row: 1, column: axis } : { row: axis, column: 1 };
    return device.run(transform, x.length, { D, x, outer, axis, inner, ...strides }, x.dtype);
  },
});
