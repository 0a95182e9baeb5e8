/** Mixup: training on averages of two images with the averages of their labels (Zhang et al. 2018, arXiv 1710.09412). */

import { ConfigError } from "../core/errors.ts";
import { Random } from "../core/random.ts";

/** The labels of the second images of a batch, and the weights of both. */
export interface MixedLabels {
  /** [count]: the label of the image that was mixed into each image. */
  readonly labels: Int32Array;
  /** λ in [½, 1]: the weight of an image and of its own label. The second image and its label have 1 − λ. */
  readonly share: number;
}

/** The stream that is forked from the seed for mixing. Smaller keys are the epochs, and one that flips. */
const mixKey = 2 ** 31 + 1;

/** The stream of the mixing of a batch. It depends on nothing but (seed, epoch, index). */
export const mixStream = (seed: number, epoch: number, index: number): Random => new Random(seed).fork(mixKey).fork(epoch).fork(index);

/** @throws ConfigError unless α is 0 (no mixup) or a number in (0, 1]. */
export function checkMixup(alpha: number): void {
  if (!(alpha >= 0 && alpha <= 1)) throw new ConfigError(`augment: mixup must be a number from 0 to 1, got ${alpha}`);
}

/**
 * A draw from Beta(α, α) for α in (0, 1], by Jöhnk's algorithm: U^(1/α)/(U^(1/α) + V^(1/α)) for the first pair of uniform U and V whose two
 * powers add up to at most 1. The powers are compared by their logarithms, because both may be 0 in float64.
 */
export function symmetricBeta(alpha: number, random: Random): number {
  for (;;) {
    const [a, b] = [Math.log(1 - random.uniform()) / alpha, Math.log(1 - random.uniform()) / alpha];
    const larger = Math.max(a, b);
    const logSum = larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
    if (logSum <= 0) return Math.exp(a - logSum);
  }
}

/**
 * Mixes each image of a batch with another one of the batch, in place: x_i ← λ·x_i + (1 − λ)·x_π(i), with one λ for the batch and a random
 * permutation π. λ is the larger one of a draw from Beta(α, α) and its complement, so an image keeps its own label as the first one.
 * Draws from `random` in this order: λ, then π. images:[count,…], labels:[count].
 */
export function mixUp(images: Float32Array, labels: Int32Array, alpha: number, random: Random): MixedLabels {
  const drawn = symmetricBeta(alpha, random);
  const share = Math.max(drawn, 1 - drawn);
  const partners = random.permutation(labels.length);
  const originals = images.slice();
  const size = labels.length === 0 ? 0 : images.length / labels.length;
  for (const [n, partner] of partners.entries())
    for (let i = n * size, j = partner * size, end = i + size; i < end; i++, j++)
      images[i] = share * originals[i]! + (1 - share) * originals[j]!;
  return { labels: Int32Array.from(partners, (partner) => labels[partner]!), share };
}
