/**
 * Times a backend on the kernels of a training step. `auto` measures, because no stored figure can know the machine. The work is that of
 * WRN-10-1 (arXiv 1605.07146) on 16 images of 32×32 pixels: its convolutions, batch normalisations, ReLUs and its linear layer, each with
 * its gradients. The operands come from a seeded stream, so every calibration computes the same.
 */

import { type ConvolutionGeometry, convolutionGeometry } from "../../core/convolution-geometry.ts";
import { Random } from "../../core/random.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { Kernels } from "../kernels.ts";
import { isHopeless } from "./decide.ts";

/** The layers whose kernels a round runs. */
export interface CalibrationWork {
  readonly batch: number;
  /** The first one has no gradient with respect to its input, because its input is the images. */
  readonly convolutions: readonly { inChannels: number; outChannels: number; window: number; stride: number; size: number }[];
  /** Each one is followed by a ReLU. */
  readonly norms: readonly { channels: number; size: number }[];
  readonly linear: { readonly inFeatures: number; readonly outFeatures: number };
}

const convolution = (inChannels: number, outChannels: number, window: number, stride: number, size: number) => {
  return { inChannels, outChannels, window, stride, size };
};

/** The layers of WRN-10-1. */
export const wideResNetStep: CalibrationWork = {
  batch: 16,
  convolutions: [
    convolution(3, 16, 3, 1, 32),
    convolution(16, 16, 3, 1, 32),
    convolution(16, 16, 3, 1, 32),
    convolution(16, 32, 3, 2, 32),
    convolution(32, 32, 3, 1, 16),
    convolution(16, 32, 1, 2, 32),
    convolution(32, 64, 3, 2, 16),
    convolution(64, 64, 3, 1, 8),
    convolution(32, 64, 1, 2, 16),
  ],
  norms: [
    { channels: 16, size: 32 },
    { channels: 16, size: 32 },
    { channels: 16, size: 32 },
    { channels: 32, size: 16 },
    { channels: 32, size: 16 },
    { channels: 64, size: 8 },
    { channels: 64, size: 8 },
  ],
  linear: { inFeatures: 64, outFeatures: 10 },
};

/** Timed rounds, after one that compiles. Their number is odd, so that the median is one of them. */
const rounds = 5;

export interface RoundOptions {
  /** The time of a round of the best candidate so far, in milliseconds. A hopeless candidate is timed once only. Default: ∞. */
  readonly best?: number;
  /** Default: the step of WRN-10-1. */
  readonly work?: CalibrationWork;
  /** Milliseconds. Default: `performance.now`. */
  readonly clock?: () => number;
}

/**
 * The median time of a round on `backend`, in milliseconds. A round launches all kernels one after another and then reads one number, as a
 * training step does: it waits for its device once, and not after each kernel. All storages are released afterwards.
 */
export async function timeRound(
  backend: Kernels,
  { best = Infinity, work = wideResNetStep, clock = () => performance.now() }: RoundOptions = {},
): Promise<number> {
  const operands = new Operands(backend);
  const timed = async (): Promise<number> => {
    const start = clock();
    await round(backend, work, operands);
    return clock() - start;
  };
  try {
    await timed();
    const times = [await timed()];
    if (isHopeless(times[0]!, best)) return times[0]!;
    while (times.length < rounds) times.push(await timed());
    return times.sort((a, b) => a - b)[rounds >> 1]!;
  } finally {
    operands.release();
  }
}

/** Numbers from U(−1, 1) on the backend. Operands of one length are one storage, which keeps the calibration small. */
class Operands {
  readonly #backend: Kernels;
  readonly #storages = new Map<number, Storage>();
  readonly #random = new Random(0);

  constructor(backend: Kernels) {
    this.#backend = backend;
  }

  of(length: number): Storage {
    const found =
      this.#storages.get(length) ??
      this.#backend.upload(
        "float32",
        Float32Array.from({ length }, () => 2 * this.#random.uniform() - 1),
      );
    this.#storages.set(length, found);
    return found;
  }

  release(): void {
    for (const storage of this.#storages.values()) storage.release();
  }
}

/** Backends work in order, so the last result is ready when all others are. */
async function round(backend: Kernels, { batch, convolutions, norms, linear }: CalibrationWork, operands: Operands): Promise<void> {
  for (const [i, { inChannels, outChannels, window, stride, size }] of convolutions.entries()) {
    const geometry = convolutionGeometry("calibration", [batch, inChannels, size, size], [outChannels, inChannels, window, window], {
      stride,
      padding: window >> 1,
    });
    releaseAll(convolve(backend, geometry, operands, i > 0));
  }
  for (const { channels, size } of norms) releaseAll(normalise(backend, batch, channels, size * size, operands));
  const results = multiply(backend, batch, linear, operands);
  try {
    const last = results.at(-1)!;
    await first(backend, last);
  } finally {
    releaseAll(results);
  }
}

function convolve(backend: Kernels, geometry: ConvolutionGeometry, operands: Operands, inputGradient: boolean): Storage[] {
  const { batch, inChannels, outChannels, height, width, outHeight, outWidth, kernelHeight, kernelWidth } = geometry;
  const x = operands.of(batch * inChannels * height * width);
  const w = operands.of(outChannels * inChannels * kernelHeight * kernelWidth);
  const g = operands.of(batch * outChannels * outHeight * outWidth);
  return [
    backend.conv2d(x, w, geometry),
    ...(inputGradient ? [backend.conv2dInputGradient(g, w, geometry)] : []),
    backend.conv2dWeightGradient(x, g, geometry),
  ];
}

function normalise(backend: Kernels, batch: number, channels: number, inner: number, operands: Operands): Storage[] {
  const geometry = { batch, channels, inner, epsilon: 1e-5 };
  const length = batch * channels * inner;
  const activation = "relu";
  const [x, gamma] = [operands.of(length), operands.of(channels)];
  const values = batch * inner;
  const running = { mean: gamma, variance: gamma, momentum: 0.1, correction: values / (values - 1) };
  const { y, mean, variance, running: after } = backend.batchNorm(x, gamma, gamma, geometry, { activation }, running);
  const gradients = backend.batchNormGradient(x, gamma, mean, variance, x, geometry, { activation, y, addend: false });
  const statistics = after === undefined ? [] : [after.mean, after.variance];
  return [y, mean, variance, ...statistics, gradients.x, gradients.gamma, gradients.beta];
}

/** Y = X·Wᵀ with X:[batch, in] and W:[out, in], and the gradients G·W and Gᵀ·X. */
function multiply(backend: Kernels, batch: number, linear: CalibrationWork["linear"], operands: Operands): Storage[] {
  const { inFeatures, outFeatures } = linear;
  const [x, w, g] = [operands.of(batch * inFeatures), operands.of(outFeatures * inFeatures), operands.of(batch * outFeatures)];
  const product = (a: Storage, b: Storage, m: number, k: number, n: number, transposeA: boolean, transposeB: boolean): Storage =>
    backend.matmul(a, b, { batch: 1, m, k, n, transposeA, transposeB, batchStrideA: 0, batchStrideB: 0 });
  return [
    product(x, w, batch, inFeatures, outFeatures, false, true),
    product(g, w, batch, outFeatures, inFeatures, false, false),
    product(g, x, outFeatures, batch, inFeatures, true, false),
  ];
}

async function first(backend: Kernels, x: Storage): Promise<void> {
  const element = backend.readView(x, { shape: [1], strides: [1], offset: 0 });
  try {
    await element.read();
  } finally {
    element.release();
  }
}

function releaseAll(storages: readonly Storage[]): void {
  for (const storage of storages) storage.release();
}
