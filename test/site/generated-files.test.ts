/** The pictures and the parts of pages that a program writes are those that the code gives now. */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { familyPages } from "../../docs/.vitepress/figures/family-pages.ts";
import { generatedFiles } from "../../docs/.vitepress/figures/generated-files.ts";
import { torchPicture } from "../../docs/.vitepress/pictures/benchmark-pictures.ts";
import { createReferenceBackend, families, useBackend } from "../../src/index.ts";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));

beforeAll(() => {
  useBackend(createReferenceBackend());
});

test("every generated file is current; `npm run docs:figures` writes them", async () => {
  const files = [...(await generatedFiles())];
  expect(files.length).toBeGreaterThan(2 * familyPages.length);
  const stale = files.filter(([path, contents]) => !existsSync(docs + path) || readFileSync(docs + path, "utf8") !== contents);
  expect(stale.map(([path]) => path)).toEqual([]);
});

test("every kind of structured convolution belongs to one page, and every page has the same sections in the same order", () => {
  const kinds = families.map(({ kind }) => kind).filter((kind) => kind !== "Conv");
  for (const kind of kinds)
    expect({ kind, pages: familyPages.filter(({ measured }) => measured.test(kind)).length }).toEqual({ kind, pages: 1 });
  const plan = ["The map", "Contraction", "Initialisation", "Nearest map to a given matrix", "When it pays", "In our measurements", "Use"];
  for (const { page } of familyPages) {
    const headings = [...readFileSync(`${docs}families/${page}.md`, "utf8").matchAll(/^## (.*)$/gm)].map(([, heading]) => heading!);
    expect({ page, headings: headings.filter((heading) => plan.includes(heading)) }).toEqual({ page, headings: plan });
  }
});

test("a picture of a comparison has a dot for each ratio, further to the right for a larger one, and 1 where the unbroken line is", () => {
  const ratio = fc.double({ min: 0.01, max: 100, noNaN: true }).map((value) => Number(value.toPrecision(3)));
  fc.assert(
    fc.property(fc.array(ratio, { minLength: 1, maxLength: 8 }), (ratios) => {
      // The last row has the ratio 1, and a row without a ratio is left out.
      const rows = [...ratios, 1].map((value, i) => `| row-${i} | 1 | 2 | 3 | ${value} (0.1–9) |`);
      const head = "## PyTorch\n\n| benchmark | threads | separable, ms | PyTorch, ms | separable / PyTorch |\n|---|--:|--:|--:|--:|\n";
      const svg = torchPicture(`${head}${rows.join("\n")}\n| unmeasured | 1 | 2 | – | – |\n`);
      expect(svg).not.toContain("unmeasured");
      const key = 2;
      const dots = [...svg.matchAll(/<rect x="([\d.]+)"/g)].slice(key).map(([, x]) => Number(x));
      expect(dots).toHaveLength(ratios.length + 1);
      const one = Number(/d="M([\d.]+) [\d.]+L[\d. ]+" class="line"\/>/.exec(svg)![1]);
      expect(Math.abs(dots.at(-1)! + 5 - one)).toBeLessThanOrEqual(0.1);
      const order = [...ratios.keys()].sort((a, b) => ratios[a]! - ratios[b]!);
      for (const [i, j] of order.slice(1).entries()) expect(dots[j]!).toBeGreaterThanOrEqual(dots[order[i]!]!);
    }),
  );
});
