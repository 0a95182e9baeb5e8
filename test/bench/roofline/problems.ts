/** The kernels of the table, at sizes of WRN-16-2 on 128 images, and what each launch of them must compute. */

import { deviceKernels } from "../../../src/backend/gpu/gpu-backend.ts";
import { fillProgram } from "../../../src/backend/gpu/program.ts";
import type { MatmulGeometry } from "../../../src/backend/kernels.ts";
import { type ConvolutionOptions, convolutionGeometry, convolutionMultiplyAdds } from "../../../src/core/convolution-geometry.ts";
import { type Shape, sizeOf } from "../../../src/core/shape.ts";
import type { Storage } from "../../../src/tensor/storage.ts";
import { type Launch, RecordingDevice } from "./recording-device.ts";

type DeviceKernels = ReturnType<typeof deviceKernels>;

export interface Problem {
  readonly name: string;
  /**
   * The multiply-adds that the first launch must compute. Left out where the memory decides: then one operation is counted for each element
   * that a thread reads, as in the further launches, which add up partial results.
   */
  readonly multiplyAdds?: number;
  run(kernels: DeviceKernels, operand: (shape: Shape) => Storage): void;
}

/** C = A·B of so many rows, terms and columns. */
function matmul(name: string, [m, k, n]: readonly [number, number, number], change: Partial<MatmulGeometry> = {}): Problem {
  const geometry = { batch: 1, m, k, n, transposeA: false, transposeB: false, batchStrideA: m * k, batchStrideB: k * n, ...change };
  return { name, multiplyAdds: m * k * n, run: (kernels, operand) => kernels.matmul(operand([m, k]), operand([k, n]), geometry) };
}

/** Both gradients of a linear layer, which are one launch where they are small. */
function linearGradients(rows: number, inputs: number, outputs: number): Problem {
  const strides = { batchStrideA: rows * inputs, batchStrideB: inputs * outputs };
  return {
    name: `linear layer ${rows} × ${inputs} → ${outputs}: both gradients`,
    multiplyAdds: 2 * rows * inputs * outputs,
    run: (kernels, operand) =>
      kernels.matmulGradient?.(operand([rows, inputs]), operand([inputs, outputs]), operand([rows, outputs]), {
        ...{ batch: 1, m: rows, k: inputs, n: outputs, transposeA: false, transposeB: false, ...strides },
      }),
  };
}

/** A convolution and its two gradients: x:[N,C,H,W], w:[O,C/groups,Kh,Kw]. */
function convolution(name: string, x: Shape, w: Shape, options: ConvolutionOptions): Problem[] {
  const geometry = convolutionGeometry("roofline", x, w, options);
  const y = [geometry.batch, geometry.outChannels, geometry.outHeight, geometry.outWidth];
  const multiplyAdds = convolutionMultiplyAdds(geometry);
  return [
    { name, multiplyAdds, run: (kernels, operand) => kernels.conv2d(operand(x), operand(w), geometry) },
    {
      name: `${name}: gradient of the input`,
      multiplyAdds,
      run: (kernels, operand) => kernels.conv2dInputGradient(operand(y), operand(w), geometry),
    },
    {
      name: `${name}: gradient of the weight`,
      multiplyAdds,
      run: (kernels, operand) => kernels.conv2dWeightGradient(operand(x), operand(y), geometry),
    },
  ];
}

const image: Shape = [128, 64, 16, 16];
const elements = sizeOf(image);
const norm = { batch: 128, channels: 64, inner: 256, epsilon: 1e-5 };
const one: Shape = [64];

export const problems: readonly Problem[] = [
  matmul("matmul 2048³", [2048, 2048, 2048]),
  matmul("matmul 2048³, gradient of A: g·Bᵀ", [2048, 2048, 2048], { transposeB: true }),
  matmul("matmul 2048³, gradient of B: Aᵀ·g", [2048, 2048, 2048], { transposeA: true }),
  linearGradients(128, 128, 10),
  ...convolution("3×3, 64 → 64 at 16²", image, [64, 64, 3, 3], { padding: 1 }),
  ...convolution("3×3, stride 2, 64 → 128 at 16²", image, [128, 64, 3, 3], { padding: 1, stride: 2 }),
  ...convolution("1×1, 64 → 64 at 16²", image, [64, 64, 1, 1], {}),
  ...convolution("depthwise 3×3, 64 at 16²", image, [64, 1, 3, 3], { padding: 1, groups: 64 }),
  {
    name: "batch norm, ReLU",
    run: (kernels, operand) => {
      const running = { mean: operand(one), variance: operand(one), momentum: 0.1, correction: 1 };
      kernels.batchNorm(operand(image), operand(one), operand(one), norm, { activation: "relu" }, running);
    },
  },
  {
    name: "batch norm, ReLU: gradient",
    run: (kernels, operand) =>
      kernels.batchNormGradient(operand(image), operand(one), operand(one), operand(one), operand(image), norm, {
        ...{ activation: "relu", y: operand(image), addend: false },
      }),
  },
  { name: "ReLU", run: (kernels, operand) => kernels.unary("relu", operand(image)) },
  {
    name: "a + b",
    run: (kernels, operand) => kernels.binary("add", operand(image), operand(image), { shape: [elements], stridesA: [1], stridesB: [1] }),
  },
  {
    name: "a + b, b one number a channel",
    run: (kernels, operand) =>
      kernels.binary("add", operand(image), operand(one), { shape: [128, 64, 256], stridesA: [16384, 256, 1], stridesB: [0, 1, 0] }),
  },
  { name: "sum of all elements", run: (kernels, operand) => kernels.reduce("sum", operand(image), { outer: 1, axis: elements, inner: 1 }) },
  {
    name: "mean of every channel of an image",
    run: (kernels, operand) => kernels.reduce("sum", operand(image), { outer: 8192, axis: 256, inner: 1 }),
  },
];

/** The launches of a problem, in order. */
export function launchesOf({ run }: Problem): Launch[] {
  const device = new RecordingDevice();
  const made: Launch[] = [];
  const operand = (shape: Shape): Storage => {
    const storage = device.run(fillProgram, sizeOf(shape), { value: 1 });
    made.push(device.launches.at(-1)!);
    return storage;
  };
  run(deviceKernels(device), operand);
  device.close();
  return device.launches.filter((launch) => !made.includes(launch));
}
