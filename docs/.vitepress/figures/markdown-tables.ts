/** Reads and writes parts of Markdown pages: tables below headings, and what stands between two comments. */

/** The cells of a row by the names of their columns. */
export type Row = Readonly<Record<string, string | undefined>>;

export interface FoundRow {
  readonly row: Row;
  /** What the heading's pattern captured. */
  readonly heading: string;
}

const cells = (line: string): string[] =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The rows of all tables with the column `column` that stand below a heading that matches, up to the next heading of its level. */
export function tableRows(page: string, heading: RegExp, column: string): readonly FoundRow[] {
  const rows: FoundRow[] = [];
  let found: { readonly text: string; readonly level: number } | undefined;
  let head: readonly string[] | undefined;
  for (const line of page.split("\n")) {
    const level = /^(#+) /.exec(line)?.[1]?.length;
    const match = heading.exec(line);
    if (match !== null) found = { text: match[1]!, level: level! };
    else if (level !== undefined && found !== undefined && level <= found.level) found = undefined;
    if (found === undefined || !line.startsWith("|")) head = undefined;
    else if (head === undefined) head = cells(line);
    else if (!/^\|[\s:|-]+\|$/.test(line) && head.includes(column)) {
      const values = cells(line);
      rows.push({ heading: found.text, row: Object.fromEntries(head.map((name, i) => [name, values[i]])) });
    }
  }
  return rows;
}

/**
 * The page with other text between `<!-- name: begin -->` and `<!-- name: end -->`. Everything else of the page stays.
 * @throws Error for a page without these comments.
 */
export function withPart(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page must have the comments ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text.trimEnd()}\n\n${page.slice(to)}`;
}

/** A table. Its first column is aligned to the left, like those in `words`, and the others to the right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[], words: readonly string[] = []): string {
  const rule = header.map((name, column) => (column === 0 || words.includes(name) ? "---" : "--:"));
  return [header, rule, ...rows].map((each) => `| ${each.join(" | ")} |\n`).join("");
}
