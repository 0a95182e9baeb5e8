/** Where an op is defined, what its docstring says, and which test holds it: read from the sources when the page is built. */

import { largest } from "../../../core/extent.ts";

export interface OpFacts {
  /** The path within the repository. */
  readonly file: string;
  /** The line of the definition, counted from 1. */
  readonly line: number;
  /** The line that records the op. */
  readonly recordedLine: number;
  /** The part of the docstring before the VJP. */
  readonly equation: string;
  /** The part of the docstring from the VJP on; empty where the docstring has none. */
  readonly vjp: string;
  /** The statement that records the op. */
  readonly code: string;
  /** The row of the gradient table, and its line; undefined for an op that has none. */
  readonly test: { readonly file: string; readonly row: string; readonly line: number } | undefined;
}

/** The facts by the name of the op. */
export type OpFactsTable = Readonly<Record<string, OpFacts>>;

/** A source file. */
export interface Source {
  /** Its path within the repository. */
  readonly path: string;
  readonly text: string;
}

/** The calls that give an op its name. */
const naming = /\b(?:differentiable|record|unary|binary|extremum)(?:<[^>]*>)?\(\s*"(\w+)"/g;

const lineOf = (text: string, index: number): number => text.slice(0, index).split("\n").length;

/** The text of the docstring right before `index`, in one line, without its tags. Only comments of one line may stand between. */
function docstringBefore(text: string, index: number): string {
  const end = text.lastIndexOf("*/", index);
  const start = text.lastIndexOf("/**", end);
  const between = text.slice(end + 2, index).split("\n");
  if (start < 0 || between.some((line) => line.trim() !== "" && !line.trimStart().startsWith("//"))) return "";
  const whole = text
    .slice(start + 3, end)
    .split("\n")
    .map((line) => line.replace(/^\s*\*\s?/, ""))
    .join(" ");
  return whole.split(" @")[0]!.replace(/\s+/g, " ").trim();
}

/** Where the line begins that exports the op; −1 for an op that is not exported under its name. */
function definitionOf(text: string, op: string): number {
  const starts = [`\nexport const ${op} `, `\nexport const ${op}:`, `\nexport function ${op}(`, `\nexport function ${op}<`];
  return largest(starts.map((start) => text.indexOf(start))) + 1 || -1;
}

/** The statement around `index`: from the start of its first line to where all its brackets are closed. */
function statementAt(text: string, index: number): string {
  const before = text.slice(0, index);
  const start = Math.max(before.lastIndexOf("\nexport const "), before.lastIndexOf("\nconst "), before.lastIndexOf("\n  return ")) + 1;
  let depth = 0;
  for (let end = index; end < text.length; end++) {
    if ("([{".includes(text[end]!)) depth++;
    if (")]}".includes(text[end]!)) depth--;
    if (text[end] === ";" && depth <= 0) return text.slice(start, end + 1);
  }
  return text.slice(start);
}

/** The facts of every op that has an exported definition of its own name. */
export function opFactsOf(ops: readonly Source[], table: Source): OpFactsTable {
  const facts: Record<string, OpFacts> = {};
  for (const { path, text } of ops) {
    const module = path.split("/").at(-1)!.replace(/\.ts$/, "");
    for (const call of text.matchAll(naming)) {
      const op = call[1]!;
      const definition = definitionOf(text, op);
      if (definition < 0) continue;
      const doc = docstringBefore(text, definition);
      const vjp = doc.search(/VJP[:,]/);
      const row = `${module}/${op}`;
      const rowAt = table.text.indexOf(`\n  "${row}":`);
      facts[op] = {
        file: path,
        line: lineOf(text, definition),
        recordedLine: lineOf(text, call.index),
        equation: vjp < 0 ? doc : doc.slice(0, vjp).trim(),
        vjp: vjp < 0 ? "" : doc.slice(vjp),
        code: statementAt(text, call.index),
        test: rowAt < 0 ? undefined : { file: table.path, row, line: lineOf(table.text, rowAt + 1) },
      };
    }
  }
  return facts;
}
