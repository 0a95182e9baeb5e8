/** The pictures of the course, each from a program that runs here. */

import { gradients } from "../../../src/grad/gradients.ts";
import { tensor } from "../../../src/ops/creation.ts";
import { add, multiply, tanh } from "../../../src/ops/elementwise.ts";
import { matmul } from "../../../src/ops/matmul.ts";
import { sum } from "../../../src/ops/sum-and-broadcast.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { graphPicture } from "./graph-picture.ts";

const scalar = (value: number): Tensor => tensor(value, { dtype: "float64" });

/** The pictures by the name of their file in `docs/course/pictures`. They need a backend with float64. */
export async function coursePictures(): Promise<Record<string, string>> {
  const [x, y] = [scalar(3), scalar(4)];
  const product = multiply(x, y);

  const [input, w, b] = [scalar(0.5), scalar(2), scalar(-0.6)];
  const weighted = multiply(w, input);
  const shifted = add(weighted, b);
  const neuron = tanh(shifted);

  const z = scalar(3);
  const square = multiply(z, z);
  const both = add(square, z);

  const [images, weights, bias] = [
    tensor([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]),
    tensor([
      [1, 0, 1],
      [0, 1, 1],
    ]),
    tensor([1, 2, 3]),
  ];
  const rows = matmul(images, weights);
  const layer = add(rows, bias);
  const total = sum(layer);

  const t = scalar(2);
  const cube = multiply(multiply(t, t), t);
  const [slope] = gradients(cube, [t], { createGraph: true });

  const names = (entries: readonly (readonly [Tensor, string])[]): ReadonlyMap<Tensor, string> => new Map(entries);
  return {
    "multiplication.svg": await graphPicture(product, {
      title: "z = x·y with x = 3 and y = 4. The cotangent of x is 4, and the cotangent of y is 3.",
      names: names([
        [x, "x"],
        [y, "y"],
        [product, "z"],
      ]),
    }),
    "neuron.svg": await graphPicture(neuron, {
      title: "The graph of tanh(w·x + b), with the value and the cotangent of every tensor.",
      names: names([
        [input, "x"],
        [w, "w"],
        [b, "b"],
        [neuron, "y"],
      ]),
    }),
    "twice.svg": await graphPicture(both, {
      title: "The graph of x·x + x at x = 3. The cotangent of x is 7: 3 and 3 from the product, and 1 from the sum.",
      names: names([
        [z, "x"],
        [both, "y"],
      ]),
    }),
    "layer.svg": await graphPicture(total, {
      title: "The graph of a linear layer, with the shape of every tensor.",
      names: names([
        [images, "X"],
        [weights, "W"],
        [bias, "b"],
        [total, "loss"],
      ]),
      show: "shapes",
    }),
    "second.svg": await graphPicture(slope!, {
      title: "The graph of the gradient of x·x·x at x = 2, which is 12, and the cotangents of a second pass through it.",
      names: names([
        [t, "x"],
        [slope!, "dy/dx"],
      ]),
    }),
  };
}
