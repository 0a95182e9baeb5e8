/**
 * Seeded random streams: xoshiro128** (Blackman & Vigna 2018, arXiv 1805.01407) seeded by splitmix32.
 * A stream is an argument wherever chance enters; there is no global one. Its state is four words, so a checkpoint holds it.
 */

import { ConfigError } from "./errors.ts";

/** What a checkpoint keeps of a stream. */
export type RandomState = readonly [number, number, number, number];

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

function splitMix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export class Random {
  #s0 = 0;
  #s1 = 0;
  #s2 = 0;
  #s3 = 0;

  /** @throws ConfigError unless seed is an integer in [0, 2³²). */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
      throw new ConfigError(`Random: seed must be an integer in [0, 2^32), got ${seed}`);
    const next = splitMix32(seed);
    this.state = [next(), next(), next(), next()];
  }

  get state(): RandomState {
    return [this.#s0 >>> 0, this.#s1 >>> 0, this.#s2 >>> 0, this.#s3 >>> 0];
  }

  /** Continues exactly where another stream stood. */
  set state(state: RandomState) {
    [this.#s0, this.#s1, this.#s2, this.#s3] = state;
    if ((this.#s0 | this.#s1 | this.#s2 | this.#s3) === 0) throw new ConfigError("Random: the all-zero state is a fixed point");
  }

  /** A stream of its own, decided by this stream's seed state and `key` alone: drawing from one does not move the other. */
  fork(key: number): Random {
    const [a, b, c, d] = this.state;
    const child = new Random(
      (Math.imul(a ^ rotateLeft(c, 11), 0x9e3779b1) ^ Math.imul(b ^ rotateLeft(d, 7), 0x85ebca6b) ^ Math.imul(key + 1, 0xc2b2ae35)) >>> 0,
    );
    return child;
  }

  /** An integer in [0, 2³²). */
  bits(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#s1, 5), 7), 9) >>> 0;
    const t = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= t;
    this.#s3 = rotateLeft(this.#s3, 11);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) * 2 ** -53;
  }

  /** An integer in [0, bound), without bias (the tail of the range is drawn again). */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32)
      throw new ConfigError(`Random.integer: bound must be an integer in [1, 2^32], got ${bound}`);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const draw = this.bits();
      if (draw < limit) return draw % bound;
    }
  }

  /** A standard normal number (Box–Muller; the second of the pair is not kept, so the state stays four words). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A permutation of 0 … count−1 (Fisher–Yates). */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = order[i]!;
      order[i] = order[j]!;
      order[j] = held;
    }
    return order;
  }
}
