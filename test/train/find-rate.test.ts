/** The search for a learning rate: its rates, where it ends, and what it suggests. */

import { expect, test } from "vitest";
import { ConfigError, SeparableError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import type { Batch } from "../../src/data/batches.ts";
import { epochBatches } from "../../src/data/batches.ts";
import { ratePlot } from "../../src/report/rate-plot.ts";
import { findRate, type RatePoint, steepest } from "../../src/train/find-rate.ts";
import { decayGroups } from "../../src/train/parameter-groups.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { TinyNetwork, tinyImages } from "./tiny-training.ts";

onReferenceBackend();

function* endless(): Generator<Batch> {
  for (let epoch = 0; ; epoch++) yield* epochBatches(tinyImages, "train", { batchSize: 5, seed: 1, epoch, shuffle: true });
}

const training = () => {
  const model = new TinyNetwork(3, 0, { random: new Random(0) });
  return { model, optimizer: new Sgd(decayGroups(model, { full: 0 })), imageShape: [3, 8, 8] as const, random: new Random(1) };
};

test("takes one step at each rate, evenly spaced on a logarithmic axis, and smooths the losses", async () => {
  const { points } = await findRate({ ...training(), batches: endless(), steps: 9, lowest: 1e-4, highest: 1 });
  expect(points.length).toBe(9);
  for (const [i, { rate, loss, smoothed }] of points.entries()) {
    expect(rate).toBeCloseTo(10 ** (-4 + i / 2), 10);
    expect(smoothed).toBeCloseTo(i === 0 ? loss : points[i - 1]!.smoothed + 0.15 * (loss - points[i - 1]!.smoothed), 12);
  }
});

test("ends when the loss explodes, is not finite, or the batches end", async () => {
  const exploded = await findRate({ ...training(), batches: endless(), steps: 60, lowest: 1e-3, highest: 1e9 });
  expect(exploded.points.length).toBeLessThan(60);
  expect(exploded.points.every(({ loss }) => Number.isFinite(loss))).toBe(true);
  const short = await findRate({ ...training(), batches: [...epochBatches(tinyImages, "train", { batchSize: 5, seed: 1, epoch: 0 })] });
  expect(short.points.length).toBe(2);
});

test("ends at the first smoothed loss above three times the smallest one", async () => {
  const { points } = await findRate({ ...training(), batches: endless(), steps: 400, lowest: 1e-3, highest: 1e6 });
  expect(points.length).toBeLessThan(400);
  const smallest = points.map((_, i) => Math.min(...points.slice(0, i + 1).map(({ smoothed }) => smoothed)));
  expect(points.map(({ smoothed }, i) => smoothed > 3 * smallest[i]!)).toEqual(points.map((_, i) => i === points.length - 1));
});

test("reports every step, and ends after the step in which the signal is aborted", async () => {
  const [reports, controller] = [[] as number[], new AbortController()];
  const onStep = async (done: number): Promise<void> => {
    await Promise.resolve();
    reports.push(done);
    if (done === 3) controller.abort();
  };
  const { points } = await findRate({ ...training(), batches: endless(), steps: 9, onStep, signal: controller.signal });
  expect(reports).toEqual([1, 2, 3]);
  expect(points.length).toBe(3);
});

test("an error that is not about the loss ends the search", async () => {
  const labels = Int32Array.of(0, 1);
  const wrong = [{ index: 0, count: 2, images: new Float32Array(2), labels }];
  await expect(findRate({ ...training(), batches: wrong })).rejects.toThrow(SeparableError);
});

const curve = (losses: readonly number[]): RatePoint[] => losses.map((smoothed, i) => ({ rate: 10 ** (i / 4), loss: smoothed, smoothed }));

test("suggests the rate of the steepest fall before the minimum, and none where the loss never falls", () => {
  // The loss falls most between positions 7 and 9. After the explosion it falls more, which does not count.
  const falling = [5, 5, 5, 5, 4.9, 4.8, 4.6, 4.2, 3.4, 2.6, 2.2, 2, 1.9, 1.85, 1.84, 9, 9, 9, 8, 5, 3, 2];
  expect(steepest(curve(falling))).toBeCloseTo(10 ** (8 / 4), 10);
  expect(steepest(curve([1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]))).toBeUndefined();
  expect(steepest([])).toBeUndefined();
});

test("measures the slope over three points on each side, up to the minimum itself", () => {
  // Only position 3 has three points on each side up to the minimum at position 6.
  expect(steepest(curve([9, 8, 7, 6, 5, 4, 3, 4, 5, 6]))).toBeCloseTo(10 ** (3 / 4), 10);
  expect(steepest(curve([9, 8, 7, 6, 5, 4, 5, 6, 7, 8]))).toBeUndefined();
  // Over one or two points on each side, the drop between positions 8 and 9 would be steeper than the long slope around position 4.
  const short = [20, 18.4, 16.8, 15.2, 13.6, 12, 10.4, 10.4, 10.4, 7, 7, 7, 7, 7, 6.9];
  expect(steepest(curve(short))).toBeCloseTo(10 ** (3 / 4), 10);
});

test("the plot has a line for the losses, one for the smoothed losses, and the suggestion where there is one", () => {
  const points = curve([2, 2, 1.9, 1.8, 1.6, 1.5, 1.4, 1.3, 40]);
  const svg = ratePlot({ points, suggestion: 10 });
  expect(svg.match(/class="curve"/g)).toHaveLength(1);
  expect(svg.match(/class="seed"/g)).toHaveLength(1);
  expect(svg).toContain("steepest at 10");
  expect(svg).toContain("9 steps at rates from 1 to 100");
  expect(svg).not.toContain("NaN");
  expect(ratePlot({ points, suggestion: undefined })).toContain("the loss never falls");
});

test.each([{ steps: 1 }, { lowest: 0 }, { lowest: 2, highest: 1 }, { highest: Number.NaN }])("refuses %j", (options) =>
  expect(findRate({ ...training(), batches: [], ...options })).rejects.toThrow(ConfigError),
);
