import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random, type RandomState } from "../../src/core/random.ts";

const anySeed = fc.nat({ max: 2 ** 32 - 1 });
const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.bits());

/** xoshiro128** as its authors publish it, on big integers that are cut to 32 bits. It uses neither signed shifts nor Math.imul. */
function* xoshiro128StarStar(state: RandomState): Generator<number> {
  const word = (x: bigint): bigint => BigInt.asUintN(32, x);
  const rotate = (x: bigint, k: bigint): bigint => word(x << k) | (x >> (32n - k));
  let [s0, s1, s2, s3] = state.map(BigInt) as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield Number(word(rotate(word(s1 * 5n), 7n) * 9n));
    const t = word(s1 << 9n);
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotate(s3, 11n);
  }
}

describe("Random.bits", () => {
  it("is xoshiro128**, from any state", () => {
    fc.assert(
      fc.property(anySeed, (seed) => {
        const random = new Random(seed);
        const expected = xoshiro128StarStar(random.state);
        for (const bits of draw(random, 20)) expect(bits).toBe(expected.next().value);
      }),
    );
  });

  it("gives the published numbers from the state 1, 2, 3, 4", () => {
    const random = new Random(0);
    random.state = [1, 2, 3, 4];
    // These are the first numbers of the authors' C program (https://prng.di.unimi.it/xoshiro128starstar.c).
    expect(draw(random, 4)).toEqual([11520, 0, 5927040, 70819200]);
  });

  it("is determined by the seed, and differs between seeds", () => {
    fc.assert(
      fc.property(anySeed, anySeed, (a, b) => {
        expect(draw(new Random(a), 4)).toEqual(draw(new Random(a), 4));
        if (a !== b) expect(draw(new Random(a), 4)).not.toEqual(draw(new Random(b), 4));
      }),
    );
  });

  it("refuses a seed that is not a 32-bit integer", () => {
    for (const seed of [-1, 2 ** 32, 0.5, Number.NaN]) expect(() => new Random(seed)).toThrow(ConfigError);
  });
});

describe("Random.state", () => {
  it("makes another stream continue exactly where the first one stopped", () => {
    fc.assert(
      fc.property(anySeed, anySeed, fc.nat({ max: 20 }), (seed, other, steps) => {
        const first = new Random(seed);
        draw(first, steps);
        const second = new Random(other);
        second.state = first.state;
        expect(draw(second, 8)).toEqual(draw(first, 8));
      }),
    );
  });

  it("refuses the state of zeros, which xoshiro never leaves", () => {
    expect(() => {
      new Random(1).state = [0, 0, 0, 0];
    }).toThrow(ConfigError);
  });
});

describe("Random.fork", () => {
  it("does not advance its parent, is determined by state and key, and differs from its parent and its siblings", () => {
    fc.assert(
      fc.property(anySeed, fc.nat({ max: 1000 }), fc.nat({ max: 1000 }), (seed, key, other) => {
        const random = new Random(seed);
        const before = random.state;
        const child = draw(random.fork(key), 4);
        expect(random.state).toEqual(before);
        expect(draw(random.fork(key), 4)).toEqual(child);
        expect(draw(new Random(seed), 4)).not.toEqual(child);
        if (key !== other) expect(draw(random.fork(other), 4)).not.toEqual(child);
      }),
    );
  });
});

describe("Random.uniform", () => {
  it("is in [0, 1), made of 27 and 26 bits of two draws", () => {
    fc.assert(
      fc.property(anySeed, (seed) => {
        const [high, low] = draw(new Random(seed), 2) as [number, number];
        const u = new Random(seed).uniform();
        expect(u).toBeGreaterThanOrEqual(0);
        expect(u).toBeLessThan(1);
        expect(u).toBe(Number((BigInt(high >>> 5) << 26n) | BigInt(low >>> 6)) / 2 ** 53);
      }),
    );
  });
});

describe("Random.integer", () => {
  it("stays below its bound, and takes every value below a small bound", () => {
    fc.assert(
      fc.property(anySeed, fc.integer({ min: 1, max: 6 }), (seed, bound) => {
        const random = new Random(seed);
        // The probability that 200 draws miss one of six values is below 6·(5/6)^200 ≈ 1e-15.
        const seen = new Set(Array.from({ length: 200 }, () => random.integer(bound)));
        expect([...seen].sort()).toEqual(Array.from({ length: bound }, (_, i) => i));
      }),
    );
  });

  it("draws again where the remainder would make small numbers more likely", () => {
    fc.assert(
      fc.property(anySeed, fc.integer({ min: 2 ** 31, max: 2 ** 32 }), (seed, bound) => {
        const raw = new Random(seed);
        const limit = Math.floor(2 ** 32 / bound) * bound;
        let expected = raw.bits();
        while (expected >= limit) expected = raw.bits();
        expect(new Random(seed).integer(bound)).toBe(expected % bound);
      }),
    );
  });

  it("refuses a bound outside [1, 2³²]", () => {
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => new Random(1).integer(bound)).toThrow(ConfigError);
  });
});

describe("Random.normal", () => {
  it("has the first four moments of a standard normal", () => {
    const random = new Random(7);
    const count = 100_000;
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const z = random.normal();
      for (let power = 0; power < 4; power++) moments[power]! += z ** (power + 1) / count;
    }
    // The tolerance is five standard errors. The variances of the moments are 1, 2, 15 and 96, divided by the count.
    [0, 1, 0, 3].forEach((moment, i) => {
      expect(Math.abs(moments[i]! - moment)).toBeLessThan(5 * Math.sqrt([1, 2, 15, 96][i]! / count));
    });
  });
});

describe("Random.permutation", () => {
  it("contains each number once", () => {
    fc.assert(
      fc.property(anySeed, fc.nat({ max: 60 }), (seed, count) => {
        const order = [...new Random(seed).permutation(count)];
        expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
  });

  it("gives each order of three numbers equally often", () => {
    const random = new Random(11);
    const count = 60_000;
    const seen = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const order = random.permutation(3).join();
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    // The tolerance is five standard errors of a binomial count with p = 1/6.
    for (const times of seen.values()) expect(Math.abs(times - count / 6)).toBeLessThan(5 * Math.sqrt((count * 5) / 36));
  });
});
