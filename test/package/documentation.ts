/** The blocks of TypeScript in the README and in docs. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./installed-package.ts";

export interface CodeBlock {
  /** `docs/gpu.md:71`: the page, and the line of the block's first fence. */
  readonly place: string;
  /** `docs-gpu-71`: the name of the block's file. */
  readonly name: string;
  readonly code: string;
  /** Why the block is compiled and not run; undefined for a block that is run. */
  readonly compileOnly: string | undefined;
}

/** The pages of the documentation, relative to the root. */
export async function pages(): Promise<readonly string[]> {
  const docs = await readdir(join(root, "docs"), { recursive: true });
  return ["README.md", "CONTRIBUTING.md", ...docs.filter((file) => file.endsWith(".md")).map((file) => join("docs", file))].sort();
}

/**
 * The blocks of a page that are TypeScript. The word after the opening fence is `ts`; `ts compile-only: <reason>` marks a block that cannot
 * run on every machine.
 * @throws Error for another spelling of the language, which would hide a block from the test.
 */
export async function codeBlocks(page: string): Promise<readonly CodeBlock[]> {
  const lines = (await readFile(join(root, page), "utf8")).split("\n");
  const blocks: CodeBlock[] = [];
  let opened: { line: number; info: string } | undefined;
  for (const [i, line] of lines.entries()) {
    const info = /^\s*```(.*)$/.exec(line)?.[1];
    if (info === undefined) continue;
    if (opened === undefined) {
      opened = { line: i, info };
      continue;
    }
    const place = `${page}:${opened.line + 1}`;
    const mark = /^ts(?: compile-only: (.+))?$/.exec(opened.info);
    if (mark !== null)
      blocks.push({
        place,
        name: place.replace(/\.md:/, "-").replaceAll(/[/.]/g, "-"),
        code: lines.slice(opened.line + 1, i).join("\n"),
        compileOnly: mark[1],
      });
    else if (/^(ts|typescript|js|javascript)\b/i.test(opened.info))
      throw new Error(`${place}: the fence must be \`\`\`ts or \`\`\`ts compile-only: <reason>, got \`\`\`${opened.info}`);
    opened = undefined;
  }
  if (opened !== undefined) throw new Error(`${page}:${opened.line + 1}: the block must end`);
  return blocks;
}
