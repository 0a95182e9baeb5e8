/** The pictures and the parts of pages that a program writes are those that the code gives now. */

import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { familyPages } from "../../docs/.vitepress/figures/family-pages.ts";
import { generatedFiles } from "../../docs/.vitepress/figures/generated-files.ts";
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
