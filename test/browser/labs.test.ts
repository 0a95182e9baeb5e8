/** The graph walker and the contraction lab as a visitor uses them, in a real browser. */

import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { clipped, seriousFaults } from "./page-checks.ts";
import { missingChromium } from "./serve-page.ts";
import { type PageOptions, servedPlayground } from "./served-playground.ts";

if (missingChromium !== undefined) console.warn(`browser tests of the labs skipped: ${missingChromium}`);

const playground = servedPlayground();
const visit = (path: string, options?: PageOptions): Promise<Page> => playground.visit(`labs/${path}`, options);

/** The hash of the address. Playwright's own `page.url()` may lag behind a change that the page makes. */
const hashOf = (page: Page): Promise<string> => page.evaluate(() => location.hash);

const phone = { viewport: { width: 390, height: 844 } };

describe.skipIf(missingChromium !== undefined)("the labs in Chromium", () => {
  test("a visitor walks the graph of a neuron forwards and backwards, and follows a node to its source", async () => {
    const page = await visit("graph-walker.html");
    const sentence = page.locator(".sentence");
    await page.keyboard.press("ArrowRight");
    expect(await sentence.textContent()).toBe("multiply computes 0.8, −1, and −0.3.");
    for (let step = 2; step <= 4; step++) await page.getByRole("button", { name: /^Step forwards/ }).click();
    expect(await sentence.textContent()).toBe("tanh computes y = 0.0997.");
    await page.keyboard.press("ArrowLeft");
    expect(await sentence.textContent()).toBe("add computes 0.1.");
    await page.getByRole("button", { name: "To the loss, where the walk turns" }).click();
    await page.keyboard.press("ArrowRight");
    expect(await sentence.textContent()).toBe("multiply has the cotangent 1. Its VJP gives −0.4 to e and −0.4 to e.");
    expect(await hashOf(page)).toBe("#step=8");
    expect(await page.locator("path.edge.back").count()).toBe(2);

    await page.getByRole("button", { name: /^To the end/ }).click();
    expect(await page.getByRole("button", { name: "parameter b; value 0.6; cotangent −0.793" }).count()).toBe(1);
    const tanh = page.getByRole("button", { name: /^tanh, named y/ });
    await tanh.focus();
    await page.keyboard.press("Enter");
    expect(await tanh.getAttribute("aria-pressed")).toBe("true");
    await page.getByText("y = tanh x.").waitFor();
    expect(await page.locator(".details").textContent()).toContain("elementwise/tanh");
    await page.getByRole("link", { name: /^src\/ops\/elementwise\.ts:\d+$/ }).click();
    await page.locator(":target").getByText("export const tanh").waitFor();
    await page.close();
  });

  test("a link leads to a step of a graph, and a wrong one is refused with a reason", async () => {
    const page = await visit("graph-walker.html#graph=convolution&step=3");
    expect(await page.locator(".sentence").textContent()).toMatch(/^subtract computes e = /);
    await page.evaluate(() => {
      location.hash = "#graph=cube";
    });
    await page.getByRole("alert").getByText("link: graph must be one of neuron, convolution").waitFor();
    await page.getByLabel("Graph", { exact: true }).selectOption("batch-norm-fused");
    await page.getByRole("button", { name: /^To the end/ }).click();
    await page.getByText("step 7 of 7").waitFor();
    await page.close();
  });

  test("a visitor contracts a network, compares orders, and sees the library's error for a wrong equation", async () => {
    const page = await visit("contraction.html");
    const nodes = page.locator(".tensor-node");
    expect(await nodes.count()).toBe(4);
    const cost = (title: string): Promise<string | null> => page.locator(".order", { hasText: title }).locator(".number").textContent();
    expect([await cost("The library's order"), await cost("Left to right"), await cost("The best of all")]).toEqual([
      "55,000",
      "140,000",
      "55,000",
    ]);
    for (const left of [3, 2, 1]) {
      await page.getByRole("button", { name: "Step forwards" }).click();
      expect(await nodes.count()).toBe(left);
    }
    await page.getByLabel("The worst of all").check();
    await page.keyboard.press("Tab");
    expect(await nodes.count()).toBe(4);
    expect(await hashOf(page)).toContain("order=worst");

    await page.getByRole("button", { name: "CP", exact: true }).click();
    expect(await page.locator(".joint").count()).toBe(1);
    await page.getByLabel("r", { exact: true }).fill("2");
    expect(await hashOf(page)).toContain("sizes=a16r2b16c9");
    const equation = page.getByLabel("Equation", { exact: true });
    await equation.fill("ab,bc->aca");
    await page.getByText('einsum: output labels must be distinct and appear on the left, got "ab,bc->aca"').waitFor();
    expect(await nodes.count()).toBe(0);
    await equation.fill("ab,bc->ac");
    expect(await nodes.count()).toBe(2);
    expect(await equation.getAttribute("aria-invalid")).toBeNull();
    const link = await hashOf(page);
    const before = await page.locator(".contraction").innerHTML();
    await page.close();
    const again = await visit(`contraction.html${link}`);
    expect(await again.locator(".contraction").innerHTML()).toBe(before);
    await again.evaluate(() => {
      location.hash = "#equation=ab&sizes=a3";
    });
    await again.getByRole("alert").getByText("link: sizes must give each of a, b").waitFor();
    await again.close();
  });

  test.each([
    ["graph-walker.html#graph=batch-norm&step=17", "light"],
    ["graph-walker.html#graph=convolution&step=11", "dark"],
    ["contraction.html#equation=aip,pbjq,qck,ijk->abc&step=1", "light"],
    ["contraction.html#equation=ab,bc->c&order=worst", "dark"],
  ] as const)("%s has no serious fault for axe, and fits 390 pixels: %s", async (path, colorScheme) => {
    const page = await visit(path, { ...phone, colorScheme });
    expect(await seriousFaults(page)).toEqual([]);
    expect(await clipped(page, ".site nav")).toEqual([]);
    await page.close();
  });
});
