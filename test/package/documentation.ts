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
  /** What the page says that the block prints; undefined where the page does not say it. */
  readonly output: string | undefined;
}

/** The pages of the documentation, relative to the root. */
export async function pages(): Promise<readonly string[]> {
  const docs = await readdir(join(root, "docs"), { recursive: true });
  // The packages of the site and the generated API reference lie in docs, too.
  const written = docs.filter((file) => file.endsWith(".md") && !/^(node_modules|api|\.vitepress)\//.test(file));
  return ["README.md", "CONTRIBUTING.md", ...written.map((file) => join("docs", file))].sort();
}

/**
 * The blocks of a page that are TypeScript. The word after the opening fence is `ts`; `ts run` marks a block that a reader can run on the
 * site, and `ts compile-only: <reason>` a block that cannot run on every machine. A block `text output` after it says what it prints.
 * @throws Error for another spelling of the language, which would hide a block from the test, and for an output of no block.
 */
export async function codeBlocks(page: string): Promise<readonly CodeBlock[]> {
  const lines = (await readFile(join(root, page), "utf8")).split("\n");
  const blocks: CodeBlock[] = [];
  let opened: { line: number; info: string } | undefined;
  /** The line after the last block. */
  let end = -1;
  for (const [i, line] of lines.entries()) {
    const info = /^\s*```(.*)$/.exec(line)?.[1];
    if (info === undefined) continue;
    if (opened === undefined) {
      opened = { line: i, info };
      continue;
    }
    const place = `${page}:${opened.line + 1}`;
    const mark = /^ts(?: run| compile-only: (.+))?$/.exec(opened.info);
    const code = lines.slice(opened.line + 1, i).join("\n");
    if (mark !== null)
      blocks.push({ place, name: place.replace(/\.md:/, "-").replaceAll(/[/.]/g, "-"), code, compileOnly: mark[1], output: undefined });
    else if (opened.info === "text output") {
      const between = lines.slice(end, opened.line);
      if (end < 0 || between.some((text) => text !== "")) throw new Error(`${place}: an output must follow the block that prints it`);
      blocks.push({ ...blocks.pop()!, output: code });
    } else if (/^(ts|typescript|js|javascript)\b/i.test(opened.info))
      throw new Error(`${place}: the fence must be \`\`\`ts, ts run or ts compile-only: <reason>, got \`\`\`${opened.info}`);
    end = mark === null ? -1 : i + 1;
    opened = undefined;
  }
  if (opened !== undefined) throw new Error(`${page}:${opened.line + 1}: the block must end`);
  return blocks;
}
