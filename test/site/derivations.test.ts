/** Every differentiable op has a derivation, and the derivations lead to the op and to the row that tests it. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { definitionLine, siteLink } from "../../docs/.vitepress/markdown/links.ts";
import { gradientTable } from "../grad/gradient-table.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = join(root, "docs/derivations");
const pages = readdirSync(folder).filter((file) => file.endsWith(".md"));
const textOf = (page: string): string => readFileSync(join(folder, page), "utf8");
/** The rows of a page's tables. */
const rows = pages.flatMap((page) =>
  textOf(page)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => ({ page, line })),
);

/** The rows of the gradient table are those of all differentiable exports of src/ops: test/grad/finite-differences.test.ts compares them. */
const ops = Object.keys(gradientTable);

test("every differentiable op has one row of a derivation, with the forward pass, the cotangents, the source and the test", () => {
  const faults = ops.flatMap((op) => {
    const [module, name] = op.split("/") as [string, string];
    const own = rows.filter(({ line }) => line.startsWith(`| [\`${name}\`](../../src/ops/${module}.ts#${name}) |`));
    if (own.length !== 1) return [`${op} has ${own.length} rows`];
    const [, forward = "", cotangents = "", test] = own[0]!.line.split(" | ");
    const isWhole = forward.trim() !== "" && cotangents.trim() !== "" && test === `[row](../../test/grad/gradient-table.ts#${op}) |`;
    return isWhole ? [] : [`${op} has no whole row in ${own[0]!.page}`];
  });
  expect(faults).toEqual([]);
});

test("the head of each file with differentiable ops names a page that derives one of them", () => {
  const files = new Set(ops.map((op) => dirname(op)));
  const faults = [...files].filter((module) => {
    const head = readFileSync(join(root, `src/ops/${module}.ts`), "utf8").split("*/")[0]!;
    const named = [...head.matchAll(/docs\/derivations\/([\w-]+\.md)/g)].map(([, page]) => page!);
    return !rows.some(({ page, line }) => named.includes(page) && line.includes(`src/ops/${module}.ts#`));
  });
  expect(faults).toEqual([]);
});

test("every link to a definition leads to its line, and every link to a page to a page", () => {
  const dead: string[] = [];
  let definitions = 0;
  for (const page of pages)
    for (const [, href] of textOf(page).matchAll(/\]\(([^)#\s]+(?:#[^)\s]+)?)\)/g)) {
      const [path, anchor] = href!.split("#") as [string, string | undefined];
      const file = join(folder, path);
      if (!existsSync(file)) dead.push(`${page} → ${href}`);
      else if (path.endsWith(".ts") && anchor !== undefined) {
        definitions++;
        const line = definitionLine(file, anchor);
        if (line === undefined || siteLink(href!, folder, "/")?.href !== `/source/${file.slice(root.length)}.html#L${line}`)
          dead.push(`${page} → ${href}`);
        else expect(readFileSync(file, "utf8").split("\n")[line - 1]).toContain(basename(anchor));
      }
    }
  expect(dead).toEqual([]);
  expect(definitions).toBeGreaterThanOrEqual(2 * ops.length);
});

test("the first page leads to every other page", () => {
  const linked = [...textOf("README.md").matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, page]) => page!);
  expect([...new Set(linked)].sort()).toEqual(pages.filter((page) => page !== "README.md").sort());
});
