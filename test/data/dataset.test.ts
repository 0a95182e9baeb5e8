import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { channelStatistics, limitDataset } from "../../src/data/dataset.ts";
import { sampleDataset, sizes } from "./arbitraries.ts";

describe("channelStatistics", () => {
  it("agrees with the definition, which takes two passes", () => {
    fc.assert(
      fc.property(sizes, (s) => {
        const { train } = sampleDataset(s);
        const { mean, std } = channelStatistics(train, s.channels);
        for (let c = 0; c < s.channels; c++) {
          const values = [...train.images].filter((_, i) => Math.floor(i / (s.height * s.width)) % s.channels === c).map((v) => v / 255);
          const mu = values.reduce((a, b) => a + b, 0) / values.length;
          const sigma = Math.sqrt(values.reduce((a, v) => a + (v - mu) ** 2, 0) / values.length);
          expect(mean[c]).toBeCloseTo(mu, 12);
          // The difference in the one-pass variance has an error of a few ulps of 1. Near 0 its root has an error of about the square root
          // of that.
          expect(Math.abs(std[c]! ** 2 - sigma ** 2)).toBeLessThan(1e-14);
        }
      }),
    );
  });

  it("refuses an empty split", () => {
    expect(() => channelStatistics({ images: new Uint8Array(0), labels: new Uint8Array(0), count: 0 }, 3)).toThrow(DataError);
  });
});

describe("limitDataset", () => {
  it("keeps the first images and labels, sharing their memory", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (s, pick) => {
        const dataset = sampleDataset(s);
        const count = 1 + (pick % s.count);
        const { train, test } = limitDataset(dataset, { train: count });
        expect(train.count).toBe(count);
        expect(train.images).toEqual(dataset.train.images.slice(0, count * s.channels * s.height * s.width));
        expect(train.labels).toEqual(dataset.train.labels.slice(0, count));
        expect(train.images.buffer).toBe(dataset.train.images.buffer);
        expect(test.count).toBe(s.count);
      }),
    );
  });

  it.each([0, -1, 1.5, 11, Number.NaN])("refuses a limit of %s of 10 images", (train) => {
    const dataset = sampleDataset({ count: 10, channels: 1, height: 2, width: 2 });
    expect(() => limitDataset(dataset, { train })).toThrow(ConfigError);
  });
});
