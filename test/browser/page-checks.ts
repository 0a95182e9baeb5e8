/** Checks of a page that hold for all pages: no serious fault of accessibility, and nothing that is cut off at the side. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** The faults that axe calls serious or critical. */
export async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const violations = await page.evaluate(
    async () => (await (globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }).axe.run()).violations,
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}

/** The elements that reach beyond the left or the right edge of the window, except inside `scrolling` elements. */
export const clipped = (page: Page, scrolling: string): Promise<string[]> =>
  page.evaluate(
    (selector) =>
      [...document.querySelectorAll("body *")].flatMap((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        const inside = width === 0 || (left >= -0.5 && right <= innerWidth + 0.5) || element.closest(selector) !== null;
        return inside ? [] : [element.outerHTML.slice(0, 120)];
      }),
    scrolling,
  );
