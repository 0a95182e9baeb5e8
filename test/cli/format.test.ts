import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatClassTable } from "../../src/cli/class-table.ts";
import { formatDuration, formatMegabytes, formatRate, formatTable, plural } from "../../src/cli/format.ts";
import { progressStyle, startJob } from "../../src/cli/progress.ts";

test("durations read back as the seconds they are", () =>
  fc.assert(
    fc.property(fc.nat(1e6), (seconds) => {
      const text = formatDuration(seconds);
      expect(text).toMatch(/^(\d+:[0-5]\d|\d+):[0-5]\d$/);
      expect(text.split(":").reduce((total, part) => total * 60 + Number(part), 0)).toBe(seconds);
    }),
  ));

test("amounts", () => {
  expect([formatMegabytes(1_230_000), formatMegabytes(1_234_567_890)]).toEqual(["1.2 MB", "1,235 MB"]);
  expect([formatRate(0.2), formatRate(0.123456), formatRate(8e-7)]).toEqual(["0.2", "0.123", "8e-7"]);
  expect([plural(1, "epoch"), plural(1200, "step")]).toEqual(["1 epoch", "1,200 steps"]);
});

test("columns are aligned: numbers to the right, words to the left", () => {
  expect(
    formatTable(
      ["name", "n"],
      [
        ["a", "10"],
        ["long one", "5"],
      ],
      ["left", "right"],
    ),
  ).toBe("  name       n\n  a         10\n  long one   5\n");
});

test("a table of many classes shows the least accurate", () => {
  const confusion = [
    [9, 1, 0],
    [5, 5, 0],
    [0, 0, 0],
  ];
  const table = formatClassTable({ count: 20, loss: 1, accuracy: 0.7, confusion }, ["cat", "dog", "eel"], 1);
  expect(table).toMatch(/^ {2}dog +10 +50\.0 % +█+ +cat \(50\.0 %\)$/m);
  expect(table).not.toMatch(/^ {2}cat/m);
  expect(table).toMatch(/\(the 1 least accurate of 3 classes\)/);
  expect(formatClassTable({ count: 20, loss: 1, accuracy: 0.7, confusion }, ["cat", "dog", "eel"])).toMatch(/^ {2}eel +0 +–/m);
});

describe("progress", () => {
  const screen = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, isTTY, columns: 80, write: (text: string) => void written.push(text) };
  };

  test("is a bar on a terminal, lines elsewhere, and nothing under --no-progress", () => {
    expect(progressStyle(screen(true), true)).toBe("bar");
    expect(progressStyle(screen(false), true)).toBe("lines");
    expect(progressStyle(screen(true), false)).toBe("none");
  });

  test("a job that ends at once prints no line", () => {
    const out = screen(false);
    const job = startJob(out, "lines", { label: "job", total: 3 });
    for (const done of [1, 2, 3]) job.update(done);
    job.stop();
    expect(out.written).toEqual([]);
  });
});
