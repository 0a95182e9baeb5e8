/** The page as text: it is complete, texts do not become markup, and the summary is right. */

import fc from "fast-check";
import { decode } from "fast-png";
import { describe, expect, test } from "vitest";
import { classErrors } from "../../src/report/class-tables.ts";
import { configurationsOf } from "../../src/report/configurations.ts";
import { loadRasteriser } from "../../src/report/node/rasterise.ts";
import { plotsOf, renderReport } from "../../src/report/page.ts";
import { heatColour, picturePng } from "../../src/report/picture-png.ts";
import { publishedPoints } from "../../src/report/published-points.ts";
import { thinned } from "../../src/report/thin-curve.ts";
import { sampleRuns } from "./sample-runs.ts";

const runs = sampleRuns({ count: 20, seed: 1 });

test("texts of a run do not become markup", async () => {
  const evil = `</title><script>alert("x")</script>'&\u0000\u001b[31m\ud800`;
  const named = runs.map((run) => ({
    ...run,
    name: evil,
    data: evil,
    classes: run.classes.map(() => evil),
    network: evil,
    convolution: evil,
    teacher: evil,
    pictures: run.pictures.map((picture) => ({ ...picture, caption: evil })),
  }));
  const page = renderReport(named, { title: evil });
  // The only script is the page's own, which sorts tables.
  expect(page.match(/<script/g)).toHaveLength(1);
  expect(page.match(/<\/title>\s*<script/g)).toBeNull();
  expect(page).not.toMatch(/="[^"]*alert\("x/);
  expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;\ufffd\ufffd[31m\ufffd");
  // A renderer of SVG refuses a file that is no XML.
  const rasterise = await loadRasteriser("report");
  for (const { svg } of plotsOf(named)) {
    expect(svg).not.toContain("<script");
    expect(rasterise(svg, 100).length).toBeGreaterThan(0);
  }
});

test("the headline, the tables and the charts have one statistic: the mean over the seeds, its spread, and the number of seeds", () => {
  const seeded = sampleRuns({ count: 18, seed: 2, seeds: 3 });
  const page = renderReport(seeded);
  const groups = Array.from({ length: 6 }, (_, i) => seeded.slice(3 * i, 3 * i + 3));
  const means = groups.map((members) => members.reduce((total, run) => total + run.error!, 0) / 3);
  const best = groups[means.indexOf(Math.min(...means))]!;
  const mean = Math.min(...means);
  const std = Math.sqrt(best.reduce((total, run) => total + (run.error! - mean) ** 2, 0) / 2);
  const expected = (digits: number): string => `${(100 * mean).toFixed(digits)} ± ${(100 * std).toFixed(digits)} %`;
  const lead = /<p class="lead">(.*?)<\/p>/.exec(page)![1]!;
  const name = best[0]!.teacher === undefined ? best[0]!.convolution : `${best[0]!.convolution} + AT`;
  expect(lead).toContain(`Smallest error: <b>${name}</b>`);
  expect(lead).toContain(`${expected(1)} (3 seeds)`);
  expect(lead).toContain(`${Math.min(...seeded.map(({ parameters }) => parameters)).toLocaleString("en-US")} parameters`);
  expect(page).toContain(`<td data-value="${mean}">${expected(2)}</td>`);
  for (const { svg, cost } of plotsOf(seeded, {})) if (cost !== undefined) expect(svg).toContain(`error ${expected(1)}, 3 seeds`);
});

test("the time of a step is a cost, with a plot and a column, where it was measured for every run", () => {
  const timed = runs.map((run, i) => ({ ...run, milliseconds: 10 + i }));
  const costsIn = (shown: readonly (typeof timed)[number][] | typeof runs): unknown[] => plotsOf(shown).flatMap(({ cost }) => cost ?? []);
  expect(costsIn(timed)).toEqual([...costsIn(runs), "milliseconds"]);
  const page = renderReport(timed);
  expect(page).toContain("Step, ms");
  expect(page).toContain('<td data-value="10">10.0</td>');
  for (const untimed of [runs, [...timed.slice(0, -1), { ...timed.at(-1)!, milliseconds: undefined }]]) {
    expect(costsIn(untimed)).not.toContain("milliseconds");
    expect(renderReport(untimed)).not.toContain("Step, ms");
  }
});

test("one seed has no spread, and the headline says so", () => {
  const lead = /<p class="lead">(.*?)<\/p>/.exec(renderReport(runs))![1]!;
  expect(lead).not.toContain("±");
  expect(lead).toContain("(1 seed)");
  expect(lead).toContain("of one seed each");
});

test("the seeds of a configuration are one point, with their mean and their sample standard deviation", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.nat(), (seeds, seed) => {
      const sampled = sampleRuns({ count: 6 * seeds, seed: seed % 2 ** 31, seeds });
      const found = configurationsOf(sampled);
      expect(found).toHaveLength(6);
      for (const { error, runs: members } of found) {
        expect([members.length, error.seeds]).toEqual([seeds, seeds]);
        const errors = members.map((run) => run.error!);
        expect(error.mean).toBeCloseTo(errors.reduce((total, value) => total + value, 0) / seeds, 12);
        // Σ (x − mean)² by pairs: the sum over pairs of (x − y)², over n.
        const pairs = errors.flatMap((x, i) => errors.slice(i + 1).map((y) => (x - y) ** 2));
        const variance = pairs.reduce((total, value) => total + value, 0) / seeds / (seeds - 1);
        if (seeds === 1) expect(error.std).toBeUndefined();
        else expect(error.std).toBeCloseTo(Math.sqrt(variance), 10);
      }
    }),
  ));

test("every seed has a dot in each scatter plot and a line in each plot of curves, and names itself", () => {
  const seeded = sampleRuns({ count: 12, seed: 4, seeds: 3 });
  for (const { svg, narrowSvg } of plotsOf(seeded, {}))
    for (const drawing of [svg, narrowSvg]) expect(drawing.match(/<title>seed [012]: /g)).toHaveLength(12);
});

test("a run of 150,000 epochs has a page of ordinary size", () => {
  const epochs = Array.from({ length: 150_000 }, (_, i) => ({ ...runs[0]!.epochs[0]!, epoch: i + 1, trainLoss: 2 / (1 + i) }));
  const page = renderReport([{ ...runs[0]!, epochs }]);
  expect(page.length).toBeLessThan(500_000);
  expect(page).not.toContain("NaN");
});

test("runs that are unfinished or were never tested are in the table and in no plot of test errors", () => {
  const [first, second, ...rest] = runs;
  const some = [{ ...first!, finished: false }, { ...second!, error: undefined, bestError: undefined }, ...rest];
  expect(configurationsOf(some).flatMap((found) => found.runs)).toHaveLength(18);
  expect(renderReport(some)).toContain("(unfinished)");
  // There is a page even without any other run.
  const none = renderReport([{ ...first!, error: undefined, finished: false }]);
  expect(none).toContain("No run is finished and tested.");
  expect(none).not.toContain("NaN");
});

describe("plots", () => {
  test("name every configuration, in the plot or below it", () => {
    for (const published of [false, true])
      for (const { svg, narrowSvg, name } of plotsOf(runs, { published }))
        for (const drawing of [svg, narrowSvg]) {
          expect(drawing).not.toMatch(/NaN|undefined|Infinity/);
          for (const { convolution } of runs) expect(drawing, name).toContain(convolution);
        }
    const [parameters] = plotsOf(runs, { published: true });
    for (const { convolution } of publishedPoints) expect(parameters!.svg).toContain(convolution);
  });

  test("become PNGs of the requested width, with text although no font is installed", async () => {
    const rasterise = await loadRasteriser("report");
    const svg = plotsOf(runs, {})[0]!.svg;
    const { width, data } = decode(rasterise(svg, 800));
    expect(width).toBe(800);
    const without = decode(rasterise(svg.replaceAll(/<text.*?<\/text>/g, ""), 800)).data;
    let differing = 0;
    for (let i = 0; i < data.length; i++) if (data[i] !== without[i]) differing++;
    expect(differing).toBeGreaterThan(5000);
  });
});

describe("pictures", () => {
  test("show each value as a square of its colour", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        (width, height, scale) => {
          const values = Float32Array.from({ length: width * height }, (_, i) => i / (width * height));
          const png = decode(picturePng({ width, height, channels: 1, values }, scale));
          expect([png.width, png.height]).toEqual([width * scale, height * scale]);
          for (let y = 0; y < png.height; y++)
            for (let x = 0; x < png.width; x++) {
              const expected = heatColour(values[Math.floor(y / scale) * width + Math.floor(x / scale)]!);
              expect([...png.data.slice((y * png.width + x) * 3, (y * png.width + x) * 3 + 3)]).toEqual([...expected]);
            }
        },
      ),
    ));

  test("become lighter with every larger value", () => {
    const lightness = Array.from({ length: 21 }, (_, i) => heatColour(i / 20)).map(([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b);
    for (let i = 1; i < 21; i++) expect(lightness[i]!).toBeGreaterThan(lightness[i - 1]!);
  });
});

test("the error of a class is the share of its images that are taken for others", () => {
  expect(
    classErrors([
      [3, 1, 0],
      [0, 2, 0],
      [0, 0, 0],
    ]),
  ).toEqual([0.25, 0, undefined]);
});

describe("runs of very many epochs", () => {
  test("are plotted and listed", () => {
    const [short] = sampleRuns({ count: 1, seed: 2 });
    const count = 150_000;
    const epochs = Array.from({ length: count }, (_, i) => ({ ...short!.epochs[0]!, epoch: i + 1, trainLoss: 1 + Math.sin(i) }));
    const page = renderReport([{ ...short!, epochs }]);
    expect(page).toContain("Training loss by epoch");
    // Not every epoch has a pixel of its own.
    expect(page.length).toBeLessThan(1e6);
  });

  const curves = fc
    .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 400 })
    .map((values) => values.map((at, i) => ({ epoch: i + 1, at })));

  test("lose only points between the extremes of their column of pixels", () =>
    fc.assert(
      fc.property(curves, fc.integer({ min: 1, max: 60 }), (points, width) => {
        const x = (epoch: number): number => ((epoch - 1) / points.length) * width;
        /** The first, the last, the lowest and the highest point of every column. */
        const columns = (curve: readonly { epoch: number; at: number }[]): unknown =>
          Array.from({ length: width }, (_, column) => {
            const members = curve.filter(({ epoch }) => Math.floor(x(epoch)) === column);
            const values = members.map(({ at }) => at);
            return [members[0], members.at(-1), Math.min(...values), Math.max(...values)];
          });
        const kept = thinned(points, x);
        expect(kept.length).toBeLessThanOrEqual(Math.max(4 * (width + 1), 4));
        expect(kept).toEqual(points.filter((point) => kept.includes(point)));
        expect(columns(kept)).toEqual(columns(points));
      }),
    ));
});
