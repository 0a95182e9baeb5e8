import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatCount, formatDuration } from "../../src/cli/format.ts";
import { logLine, type Progress, progressLine } from "../../src/cli/progress-line.ts";

const training: Progress = {
  label: "epoch 1/2",
  share: 0.2,
  amount: "165/782",
  details: ["loss 2.022", "accuracy 23.6 %", "rate 0.0603"],
  imagesPerSecond: 692,
  secondsLeft: 56,
};

const progresses = fc.record({
  label: fc.string({ minLength: 1, maxLength: 30 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  amount: fc.tuple(fc.nat(99_999), fc.nat(99_999)).map(([done, total]) => `${done}/${total}`),
  details: fc.array(fc.constantFrom("loss 2.022", "accuracy 23.6 %", "rate 0.0603", "block1.0.layer.0.conv1"), { maxLength: 5 }),
  imagesPerSecond: fc.double({ min: 0.5, max: 99_999, noNaN: true }),
  secondsLeft: fc.integer({ min: 0, max: 10 * 3600 - 1 }),
});

describe("a progress line", () => {
  test("fits 20 to 200 columns, and never loses the images per second and the time left", () =>
    fc.assert(
      fc.property(progresses, fc.integer({ min: 20, max: 200 }), (progress, columns) => {
        const line = progressLine(progress, columns);
        expect(line.length).toBeLessThanOrEqual(columns);
        expect(line).toMatch(new RegExp(`(^| )${formatCount(progress.imagesPerSecond)} (images/s|img/s) `));
        expect(line).toMatch(new RegExp(` ${formatDuration(progress.secondsLeft)}( left)?$`));
      }),
    ));

  test("never becomes shorter where there are more columns", () =>
    fc.assert(
      fc.property(progresses, fc.integer({ min: 20, max: 199 }), (progress, columns) => {
        expect(progressLine(progress, columns + 1).length).toBeGreaterThanOrEqual(progressLine(progress, columns).length);
      }),
    ));

  test.each([
    [120, "epoch 1/2  ━━━━━───────────────────  165/782  loss 2.022  accuracy 23.6 %  rate 0.0603  692 images/s  0:56 left"],
    [100, "epoch 1/2  ━━────────  165/782  loss 2.022  accuracy 23.6 %  rate 0.0603  692 images/s  0:56 left"],
    [80, "epoch 1/2  ━━────────  165/782  loss 2.022  692 images/s  0:56 left"],
    [60, "epoch 1/2  ━━────────  165/782  692 images/s  0:56 left"],
    [45, "epoch 1/2  165/782  692 images/s  0:56 left"],
    [35, "165/782  692 images/s  0:56 left"],
    [30, "692 images/s  0:56 left"],
    [20, "692 img/s 0:56"],
  ])("at %i columns", (columns, line) => expect(progressLine(training, columns)).toBe(line));

  test("has the label and the amount alone before the pace is known", () =>
    expect(progressLine({ label: "testing", share: 0, amount: "0/10" }, 80)).toBe("testing  ────────────────────────  0/10"));

  test("in a log has every part but the bar", () =>
    expect(logLine(training)).toBe("epoch 1/2  165/782  loss 2.022  accuracy 23.6 %  rate 0.0603  692 images/s  0:56 left"));
});
