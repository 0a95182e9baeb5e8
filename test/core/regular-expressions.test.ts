/**
 * No regular expression takes more than linear time. A text of a stranger, such as the header of a file, could otherwise hold up the
 * program for minutes. The analysis of scslre finds expressions that go back over a text in polynomial or exponential time.
 */

import { readdirSync, readFileSync } from "node:fs";
import { analyse } from "scslre";
import ts from "typescript-5.6";
import { expect, test } from "vitest";

const root = new URL("../../src/", import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));

/** The nodes of a file for which `is` holds. */
function nodesOf(name: string, is: (node: ts.Node) => boolean): ts.Node[] {
  const text = readFileSync(new URL(name, root), "utf8");
  // Most files have none, and parsing takes a second for all.
  if (!text.includes("/") && !text.includes("RegExp")) return [];
  const found: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (is(node)) found.push(node);
    node.forEachChild(visit);
  };
  visit(ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true));
  return found;
}

/** Whether the expression `/source/flags` goes back over a text more than once. */
function isSuperLinear(literal: string): boolean {
  const end = literal.lastIndexOf("/");
  return analyse({ source: literal.slice(1, end), flags: literal.slice(end + 1) }).reports.length > 0;
}

test("the analysis finds expressions of polynomial and of exponential time", () => {
  for (const slow of ["/0+$/", "/\\s*\\n\\s*/g", "/^(a+)+$/", "/^\\((\\s*\\d*,?\\s*)*\\)$/"]) expect(isSuperLinear(slow), slow).toBe(true);
  expect(isSuperLinear("/^\\d+(\\.\\d+)?$/")).toBe(false);
});

test("no expression in src takes more than linear time", () => {
  const literals = files.flatMap((name) =>
    nodesOf(name, (node) => node.kind === ts.SyntaxKind.RegularExpressionLiteral).map((node) => `${name}: ${node.getText()}`),
  );
  expect(literals.length).toBeGreaterThan(40);
  expect(literals.filter((entry) => isSuperLinear(entry.slice(entry.indexOf(": ") + 2)))).toEqual([]);
});

test("no expression is made from a text, except from the names of the GPU's own constants", () => {
  const makes = (node: ts.Node): boolean => ts.isNewExpression(node) && node.expression.getText() === "RegExp";
  expect(files.filter((name) => nodesOf(name, makes).length > 0)).toEqual(["backend/gpu/kernels/function-bodies.ts"]);
});
