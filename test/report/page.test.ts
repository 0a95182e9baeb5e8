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
import { sampleRuns } from "./sample-runs.ts";

const runs = sampleRuns({ count: 20, seed: 1 });

test("texts of a run do not become markup", () => {
  const evil = `<script>alert("x")</script>'&`;
  const named = runs.map((run) => ({ ...run, name: evil, data: evil, classes: run.classes.map(() => evil), network: evil }));
  const page = renderReport(named, { title: evil });
  expect(page).not.toContain("<script");
  expect(page).not.toMatch(/="[^"]*alert\("x/);
  expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#39;&amp;");
});

test("names the run with the smallest error and the smallest network", () => {
  const page = renderReport(runs);
  const best = runs.toSorted((a, b) => a.error! - b.error!)[0]!;
  const lead = /<p class="lead">(.*?)<\/p>/.exec(page)![1]!;
  expect(lead).toContain(`Smallest error: <b>${best.convolution}${best.teacher === undefined ? "" : " + AT"}</b>`);
  expect(lead).toContain(`${Math.min(...runs.map(({ parameters }) => parameters)).toLocaleString("en-US")} parameters`);
});

test("the seeds of a configuration are one point: their mean, with their bounds", () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.nat(), (seeds, seed) => {
      const sampled = sampleRuns({ count: 6 * seeds, seed: seed % 2 ** 31, seeds });
      const found = configurationsOf(sampled);
      expect(found).toHaveLength(6);
      for (const { error, least, largest, runs: members } of found) {
        expect(members).toHaveLength(seeds);
        expect(error).toBeCloseTo(members.reduce((total, run) => total + run.error!, 0) / seeds, 12);
        for (const run of members) expect(run.error! >= least && run.error! <= largest).toBe(true);
      }
    }),
  ));

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
      for (const { svg, name } of plotsOf(runs, { published })) {
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
        for (const { convolution } of runs) expect(svg, name).toContain(convolution);
      }
    const [parameters] = plotsOf(runs, { published: true });
    for (const { convolution } of publishedPoints) expect(parameters!.svg).toContain(convolution);
  });

  test("become PNGs of the requested width, with text although no font is installed", async () => {
    const rasterise = await loadRasteriser();
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
          const png = decode(picturePng({ kind: "attention", caption: "", width, height, channels: 1, values }, scale));
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
