import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { type Augmentation, augmentImage, createAugmenter } from "../../src/data/augment.ts";
import { augmentations, sampleDataset, seeds, sizes } from "./arbitraries.ts";

type Plane = number[][];

/** The recipe on nested lists, step by step: pad, crop, flip, normalise in float32, cut out. */
function slowAugment(
  bytes: Uint8Array,
  [channels, height, width]: [number, number, number],
  mean: readonly number[],
  std: readonly number[],
  augment: Augmentation,
  random: Random,
  mirror: boolean,
): number[] {
  const { crop = 0, translate = 0, flip = false, cutout = 0 } = augment;
  let planes: Plane[] = Array.from({ length: channels }, (_, c) =>
    Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => bytes[(c * height + y) * width + x]!)),
  );
  if (crop > 0) {
    const top = random.integer(2 * crop + 1);
    const left = random.integer(2 * crop + 1);
    planes = planes.map((plane) => {
      const side = Array<number>(crop).fill(0);
      const blank = () => Array<number>(width + 2 * crop).fill(0);
      const padded = [
        ...Array.from({ length: crop }, blank),
        ...plane.map((row) => [...side, ...row, ...side]),
        ...Array.from({ length: crop }, blank),
      ];
      return padded.slice(top, top + height).map((row) => row.slice(left, left + width));
    });
  }
  if (translate > 0) {
    const top = random.integer(2 * translate + 1);
    const left = random.integer(2 * translate + 1);
    // NumPy's pad with mode "reflect": the lines next to the border come before it, the nearest one last.
    const padded = <T>(list: readonly T[]): T[] => [
      ...list.slice(1, translate + 1).reverse(),
      ...list,
      ...list.slice(-1 - translate, -1).reverse(),
    ];
    planes = planes.map((plane) =>
      padded(plane)
        .slice(top, top + height)
        .map((row) => padded(row).slice(left, left + width)),
    );
  }
  if (flip === "alternating" ? mirror : flip && random.integer(2) === 1)
    planes = planes.map((plane) => plane.map((row) => [...row].reverse()));
  planes = planes.map((plane, c) =>
    plane.map((row) =>
      row.map((value) => {
        // Typed arrays round each operation to float32, as PyTorch's ToTensor and Normalize do.
        const scaled = Float32Array.of(value / 255)[0]!;
        const centred = Float32Array.of(scaled - Float32Array.of(mean[c]!)[0]!)[0]!;
        return Float32Array.of(centred / Float32Array.of(std[c]!)[0]!)[0]!;
      }),
    ),
  );
  if (cutout > 0) {
    const centreY = random.integer(height);
    const centreX = random.integer(width);
    const covered = (position: number, centre: number) =>
      position >= centre - Math.floor(cutout / 2) && position < centre - Math.floor(cutout / 2) + cutout;
    planes = planes.map((plane) => plane.map((row, y) => row.map((value, x) => (covered(y, centreY) && covered(x, centreX) ? 0 : value))));
  }
  return planes.flat(2);
}

describe("augmentImage", () => {
  it("pads, crops, flips, normalises and cuts out, in this order and to the bit", () => {
    fc.assert(
      fc.property(sizes, augmentations, fc.integer({ min: 0, max: 8 }), seeds, (s, others, most, seed) => {
        const translate = Math.min(most, s.height - 1, s.width - 1);
        const augment = translate > 0 ? { ...others, crop: 0, translate } : others;
        const { mean, std, train } = sampleDataset(s);
        const size = s.channels * s.height * s.width;
        const augmenter = createAugmenter({ ...s, mean, std, augment });
        const [fast, slow] = [new Random(seed), new Random(seed)];
        const out = new Float32Array(size + 2).fill(42);
        for (let n = 0; n < s.count; n++) {
          const mirror = n % 2 === 1;
          augmentImage(augmenter, train.images, n * size, out, 1, fast, mirror);
          const shape: [number, number, number] = [s.channels, s.height, s.width];
          const expected = slowAugment(train.images.subarray(n * size), shape, mean, std, augment, slow, mirror);
          expect([...out.subarray(1, size + 1)]).toEqual(expected);
          expect([out[0], out[size + 1]]).toEqual([42, 42]);
        }
        expect(fast.state).toEqual(slow.state);
      }),
      { numRuns: 200 },
    );
  });

  it("normalises to (x/255 − mean)/std", () => {
    const { table } = createAugmenter({ channels: 2, height: 1, width: 1, mean: [0.4914, 0.5], std: [0.2023, 0.25] });
    for (const x of [0, 1, 127, 128, 255]) {
      // The tolerance is that of three roundings to float32 of numbers below 2.5.
      expect(Math.abs(table[x]! - (x / 255 - 0.4914) / 0.2023)).toBeLessThan(1e-6);
      expect(Math.abs(table[256 + x]! - (x / 255 - 0.5) / 0.25)).toBeLessThan(1e-6);
    }
  });

  it("draws every crop, both mirrorings and every Cutout centre", () => {
    // One white pixel in the middle shows where the window lies. A Cutout of one pixel shows its centre.
    const shape = { channels: 1, height: 5, width: 5, mean: [0], std: [1] };
    const image = new Uint8Array(25);
    image[12] = 255;
    const random = new Random(3);
    const places = new Set<number>();
    const cropping = createAugmenter({ ...shape, augment: { crop: 2 } });
    const centres = new Set<number>();
    const cutting = createAugmenter({ ...shape, augment: { cutout: 1 } });
    const white = new Uint8Array(25).fill(255);
    const edge = Uint8Array.from({ length: 25 }, (_, i) => (i % 5 === 0 ? 255 : 0));
    const mirrorings = new Set<number>();
    const mirroring = createAugmenter({ ...shape, augment: { flip: true } });
    const out = new Float32Array(25);
    for (let n = 0; n < 1000; n++) {
      augmentImage(cropping, image, 0, out, 0, random);
      places.add(out.indexOf(1));
      augmentImage(cutting, white, 0, out, 0, random);
      centres.add(out.indexOf(0));
      augmentImage(mirroring, edge, 0, out, 0, random);
      mirrorings.add(out.indexOf(1));
    }
    expect(places.size).toBe(25);
    expect(centres.size).toBe(25);
    expect([...mirrorings].sort()).toEqual([0, 4]);
  });

  it.each([
    [{ crop: -1 }, "crop must be an integer ≥ 0, got -1"],
    [{ crop: 1.5 }, "crop must be an integer ≥ 0, got 1.5"],
    [{ cutout: Number.NaN }, "cutout must be an integer ≥ 0, got NaN"],
    [{ translate: 0.5 }, "translate must be an integer ≥ 0, got 0.5"],
    [{ translate: 2 }, "translate must be smaller than the image of 2×2 pixels, got 2"],
    [{ translate: 1, crop: 1 }, "crop and translate both move the image"],
    [{ mixup: -0.1 }, "mixup must be a number from 0 to 1, got -0.1"],
    [{ mixup: Number.NaN }, "mixup must be a number from 0 to 1, got NaN"],
  ])("refuses %j", (augment, message) => {
    const create = () => createAugmenter({ channels: 1, height: 2, width: 2, mean: [0], std: [1], augment });
    expect(create).toThrow(ConfigError);
    expect(create).toThrow(message);
  });

  it.each([
    [[0], [1]],
    [
      [0, 0],
      [1, 0],
    ],
    [
      [0, Number.NaN],
      [1, 1],
    ],
    [
      [0, 0],
      [1, Number.POSITIVE_INFINITY],
    ],
  ])("refuses mean %j and std %j for two channels", (mean, std) => {
    expect(() => createAugmenter({ channels: 2, height: 2, width: 2, mean, std })).toThrow(ConfigError);
  });
});
