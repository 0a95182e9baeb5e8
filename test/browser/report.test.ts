/** A report in a browser: it requests no file, has no errors, fits a phone, and no name covers another name. */

import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { renderReport } from "../../src/report/page.ts";
import { sampleRuns } from "../report/sample-runs.ts";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const available = existsSync(executablePath);
if (!available) console.warn(`browser tests skipped: no Chromium at ${executablePath}; install it or set CHROMIUM`);

let browser: Browser;
beforeAll(async () => {
  if (available) browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
});
afterAll(() => browser?.close());

const html = renderReport(sampleRuns({ count: 60, seed: 3, seeds: 3 }), { published: true });

describe.skipIf(!available).each([
  [1280, "light"],
  [400, "dark"],
] as const)("at %i pixels, %s", (width, colorScheme) => {
  test("the page has no errors, is complete, and is legible", async () => {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const problems: string[] = [];
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) problems.push(request.url());
    });
    await page.setContent(html);
    expect(problems).toEqual([]);
    const seen = await page.evaluate(() => {
      const boxes = (svg: Element): { name: string; box: DOMRect }[] =>
        [...svg.querySelectorAll("[data-label]")].map((g) => ({ name: g.getAttribute("data-label")!, box: g.getBoundingClientRect() }));
      const visible = [...document.querySelectorAll("figure svg")].filter((svg) => svg.getBoundingClientRect().width > 0);
      const covering = visible.flatMap((svg) => {
        const all = boxes(svg);
        return all.flatMap(({ name, box: a }, i) =>
          all
            .slice(i + 1)
            // The boxes of two lines of text may overlap by a pixel or two where their letters do not.
            .filter(({ box: b }) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
            .map((other) => `${name} and ${other.name}`),
        );
      });
      const ink = visible[0]!.querySelector(".ink")!;
      const sizes = visible.flatMap((svg) =>
        [...svg.querySelectorAll("text")].map(
          (text) =>
            Number(text.getAttribute("font-size")) * (svg.getBoundingClientRect().width / (svg as SVGSVGElement).viewBox.baseVal.width),
        ),
      );
      return {
        covering,
        sideways: document.documentElement.scrollWidth - window.innerWidth,
        plots: visible.length,
        smallestText: Math.min(...sizes) >= 9,
        pictures: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
        ink: getComputedStyle(ink).fill,
      };
    });
    expect(seen).toEqual({
      covering: [],
      sideways: 0,
      plots: 3,
      smallestText: true,
      pictures: true,
      ink: colorScheme === "dark" ? "rgb(230, 237, 243)" : "rgb(31, 35, 40)",
    });
    await page.close();
  });
});

describe.skipIf(!available)("a reader", () => {
  test("switches the cost of the chart, and sees one chart at a time", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.setContent(html);
    const shown = (): Promise<string[]> =>
      page.$$eval(".chart figure", (figures) =>
        figures.filter((figure) => figure.getBoundingClientRect().height > 0).map((figure) => figure.getAttribute("data-cost")!),
      );
    expect(await shown()).toEqual(["parameters"]);
    for (const cost of ["multAdds", "paperMultAdds"]) {
      await page.check(`input[value=${cost}]`);
      expect(await shown()).toEqual([cost]);
    }
    await page.close();
  });

  test("sorts a table by a click on a heading, upwards and then downwards", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.setContent(html);
    const table = page.locator("table.sortable").nth(1);
    const values = (): Promise<number[]> =>
      table.locator("tbody tr td:nth-child(4)").evaluateAll((cells) => cells.map((cell) => Number((cell as HTMLElement).dataset.value)));
    const before = await values();
    await table.getByRole("button", { name: "Parameters" }).click();
    expect(await values()).toEqual(before.toSorted((a, b) => a - b));
    await table.getByRole("button", { name: "Parameters" }).click();
    expect(await values()).toEqual(before.toSorted((a, b) => b - a));
    await page.close();
  });

  test("sees one curve alone under the pointer", async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.setContent(html);
    const label = page.locator(".wide .run [data-label]").first();
    await label.scrollIntoViewIfNeeded();
    await label.hover();
    const opacities = await page.$$eval(".wide .run", (runs) => runs.map((run) => getComputedStyle(run).opacity));
    expect(opacities.filter((opacity) => opacity === "1")).not.toHaveLength(0);
    expect(opacities.filter((opacity) => opacity === "0.25")).not.toHaveLength(0);
    await page.close();
  });
});
