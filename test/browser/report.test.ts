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

const html = renderReport(sampleRuns({ count: 20, seed: 3 }), { published: true });

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
      const covering = [...document.querySelectorAll("figure > svg")].flatMap((svg) => {
        const all = boxes(svg);
        return all.flatMap(({ name, box: a }, i) =>
          all
            .slice(i + 1)
            // The boxes of two lines of text may overlap by a pixel or two where their letters do not.
            .filter(({ box: b }) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
            .map((other) => `${name} and ${other.name}`),
        );
      });
      const ink = document.querySelector("figure > svg .ink")!;
      return {
        covering,
        sideways: document.documentElement.scrollWidth - window.innerWidth,
        plots: document.querySelectorAll("figure > svg").length,
        pictures: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
        ink: getComputedStyle(ink).fill,
      };
    });
    expect(seen).toEqual({
      covering: [],
      sideways: 0,
      plots: 5,
      pictures: true,
      ink: colorScheme === "dark" ? "rgb(230, 237, 243)" : "rgb(31, 35, 40)",
    });
    await page.close();
  });
});
