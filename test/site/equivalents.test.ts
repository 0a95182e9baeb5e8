/** The tables of equivalents name things of this library that exist. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as experiment from "../../src/experiment.ts";
import * as library from "../../src/index.ts";
import * as node from "../../src/node.ts";

const page = (name: string): string => readFileSync(new URL(`../../docs/coming-from/${name}.md`, import.meta.url), "utf8");
const exported = new Set([library, node, experiment].flatMap((entry) => Object.keys(entry)));

/** The functions and classes that the right column of a page's tables calls or names. A method follows a dot, and is no export. */
function namesIn(text: string): string[] {
  const cells = text
    .split("\n")
    .filter((line) => line.startsWith("|") && !line.startsWith("|--"))
    .map((line) => line.split(" | ").at(-1)!)
    .slice(1);
  const codes = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!));
  return codes.flatMap((code) => {
    const called = [...code.matchAll(/(?<![.\w])([A-Za-z]\w+)\s*[.(]/g)].map(([, name]) => name!);
    return /^[A-Za-z]\w*$/.test(code) ? [code, ...called] : called;
  });
}

/** What the tables call their own tensors, networks, modules and batches. */
const variables = ["model", "optimizer", "layer", "sequential", "parameter", "entry", "batch", "context", "f"];
/** Methods and callbacks that a reader writes, words of JavaScript, and the program. */
const others = ["forward", "describe", "onStep", "onEpoch", "Map", "console", "false", "separable", "readFile", "writeFile"];
const known = new Set([...variables, ...others]);

describe.each(["pytorch", "tfjs", "tltorch"])("coming from %s", (name) => {
  test("every function that the tables name is exported", () => {
    const names = [...new Set(namesIn(page(name)))].filter((each) => !known.has(each));
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((each) => !exported.has(each))).toEqual([]);
  });
});
