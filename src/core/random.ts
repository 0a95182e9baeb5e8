/**
 * Seeded random streams: xoshiro128** (Blackman & Vigna 2018, arXiv 1805.01407), seeded by splitmix32. Every function that draws random
 * numbers takes a stream as an argument; there is no global stream. The state of a stream is four words, so a checkpoint can store it.
 */

import { ConfigError } from "./errors.ts";

/** The four words of a stream's state, which a checkpoint stores. */
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

/** A stream of random numbers that its seed determines. */
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

  /** The current state. A stream that is given this state continues with the same numbers. */
  get state(): RandomState {
    return [this.#s0 >>> 0, this.#s1 >>> 0, this.#s2 >>> 0, this.#s3 >>> 0];
  }

  /** @throws ConfigError for the state of four zeros. */
  set state(state: RandomState) {
    [this.#s0, this.#s1, this.#s2, this.#s3] = state;
    if ((this.#s0 | this.#s1 | this.#s2 | this.#s3) === 0)
      throw new ConfigError("Random: the state must not be all zeros, because the stream would then give zeros forever, got [0,0,0,0]");
  }

  /** Whether draws are random. A stream whose draws are all 0 makes tensors of a network that is only counted, which need no memory. */
  get isRandom(): boolean {
    return true;
  }

  /** A new stream that this stream's current state and `key` determine. Drawing from one stream does not advance the other. */
  fork(key: number): Random {
    const [a, b, c, d] = this.state;
    return new Random(
      (Math.imul(a ^ rotateLeft(c, 11), 0x9e3779b1) ^ Math.imul(b ^ rotateLeft(d, 7), 0x85ebca6b) ^ Math.imul(key + 1, 0xc2b2ae35)) >>> 0,
    );
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

  /**
   * An integer in [0, bound). All are equally likely: a draw from the incomplete tail of the 32-bit range is repeated.
   * @throws ConfigError
   */
  integer(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32)
      throw new ConfigError(`Random.integer: bound must be an integer in [1, 2^32], got ${bound}`);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const draw = this.bits();
      if (draw < limit) return draw % bound;
    }
  }

  /**
   * A standard normal number, by the Box–Muller transform. The second number of the pair is discarded, so that the state stays four words.
   */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A random permutation of 0 … count−1, by the Fisher–Yates shuffle. */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}
