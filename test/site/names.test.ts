/** The names that the text of a page writes as code. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pages } from "../package/documentation.ts";
import { root } from "../package/installed-package.ts";

/** The interface of WebGPU. The pages about the GPU name its limits. */
const webgpu = "node_modules/@webgpu/types/dist/index.d.ts";

/** The words of the sources and the tests, apart from this file, and those of WebGPU. Some pages are about the tests. */
async function knownWords(): Promise<ReadonlySet<string>> {
  const words = new Set((await readFile(join(root, webgpu), "utf8")).match(/\w+/g));
  for (const folder of ["src", "test"])
    for (const file of await readdir(join(root, folder), { recursive: true }))
      if (/\.(ts|mjs)$|config\.json$/.test(file) && file !== "site/names.test.ts")
        for (const [word] of (await readFile(join(root, folder, file), "utf8")).matchAll(/\w+/g)) words.add(word);
  return words;
}

/**
 * The words in camel case of the code within the text, `memory().used` for instance. Such a word is a name of this library. Words after a
 * hyphen are placeholders of a longer name, as in `wrn-D-W-step-bN`.
 */
const namesIn = (text: string): string[] =>
  [...text.replaceAll(/^\s*```.*?^\s*```$/gms, "").matchAll(/`([^`\n]+)`/g)].flatMap(([, code]) =>
    [...code!.matchAll(/(?<![\w-])[a-z][a-z0-9]*[A-Z]\w*/g)].map(([name]) => name),
  );

/** A page about another library, most of whose names are that library's. A test of its own checks our names on it. */
const elsewhere = ["docs/coming-from/tfjs.md"];

test("every name in the text of a page exists", async () => {
  const known = await knownWords();
  let count = 0;
  const missing: string[] = [];
  for (const page of (await pages()).filter((each) => !elsewhere.includes(each))) {
    const names = namesIn(await readFile(join(root, page), "utf8"));
    count += names.length;
    missing.push(...names.filter((name) => !known.has(name)).map((name) => `${page}: ${name}`));
  }
  expect(missing).toEqual([]);
  expect(count).toBeGreaterThan(300);
});
