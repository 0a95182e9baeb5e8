/**
 * Flips that alternate: in the first epoch each image is mirrored or not at random, and from then on it is mirrored in every other epoch. So
 * two epochs show both views of each image, where independent flips would repeat one view of every second image (Jordan 2024, arXiv
 * 2404.00498, §3.6).
 */

import { Random } from "../core/random.ts";

/** The stream that is forked from the seed for the first flips. Smaller keys are the epochs. */
const flipKey = 2 ** 31;

/** Whether an image is mirrored in an epoch. It depends on nothing but (seed, epoch, image), where `image` is the position in the split. */
export function alternatingFlips(seed: number, epoch: number): (image: number) => boolean {
  const first = new Random(seed).fork(flipKey);
  return (image) => (first.fork(image).integer(2) + epoch) % 2 === 1;
}
