/** The entries of the site's console, against scripts that run one after another in one realm of Node. */

import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as library from "../../src/index.ts";
import { missingPackages } from "./built-site.ts";

// The module needs packages of the site.
const { compileEntry } =
  missingPackages === undefined ? await import("../../docs/.vitepress/evaluate/entry.ts") : { compileEntry: undefined! };
const { examples, firstEntry } = await import("../../docs/.vitepress/theme/repl-examples.ts");

/** A prompt as the worker of the console has it. It gives the value of an entry; undefined where the entry has none. */
function prompt(names: object = {}): (text: string) => Promise<unknown> {
  const scope: Record<string, unknown> = Object.assign(Object.create(null), names);
  return async (text) => {
    const entry = compileEntry(text);
    for (const name of entry.names) if (!(name in scope)) scope[name] = undefined;
    const run = new Function("scope", `with (scope) return (async () => {\n${entry.code}\n})();`);
    return ((await run(scope)) as { value: unknown } | undefined)?.value;
  };
}

/** The last of the values that the entries have. */
async function last(entries: readonly string[], evaluate: (text: string) => Promise<unknown>): Promise<unknown> {
  let value: unknown;
  for (const entry of entries) value = await evaluate(entry);
  return value;
}

/** A declaration of v0, v1, … number `i`, by the names before it, and an expression that reads it. */
const statement = (i: number, kind: number, keyword: string, number: number): string => {
  const name = `v${i}`;
  const before = i === 0 ? "1" : `v${i - 1}`;
  return [
    `${keyword} ${name} = ${before} + ${number}`,
    `${keyword} { a: ${name}, ...rest${i} } = { a: ${before}, b: ${number} }`,
    `${keyword} [, ${name} = ${number}, ...[more${i}]] = [0, ${before}, 2]`,
    `const get${i} = () => ${name}; ${keyword} ${name} = ${before} * ${number}, other${i} = get${i}()`,
    `${keyword} ${name} = late${i}(${number}); function late${i}(x) { return x > 0 ? late${i}(x - 1) + ${before} : 0; }`,
    `class C${i} { static value = ${number}; twice() { return 2 * ${before} + C${i}.value; } } ${keyword} ${name} = new C${i}().twice()`,
    `var ${name}; for (let v = 0; v < 3; v++) { const w = v; ${name} = w + ${before}; }`,
  ][kind]!;
};

describe.skipIf(missingPackages !== undefined)("an entry", () => {
  test("declares what scripts declare one after another", async () => {
    const line = fc.tuple(fc.nat(6), fc.constantFrom("let", "const", "var"), fc.nat(5), fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 6 }), async (lines) => {
        const texts = lines.map(([kind, keyword, number], i) => statement(i, kind, keyword, number));
        // Some statements share an entry with the one before.
        const entries: string[] = [];
        texts.forEach((text, i) => {
          const before = lines[i]![3] ? entries.pop() : undefined;
          entries.push(before === undefined ? text : `${before};\n${text} // ${i}`);
        });
        const names = texts.map((_, i) => `v${i}`).join(", ");
        const context = createContext({});
        const expected = await last([...entries, `[${names}]`], async (text) => runInContext(text, context));
        expect(await last([...entries, `[${names}]`], prompt())).toEqual([...(expected as number[])]);
      }),
    );
  });

  test.each([
    { entries: ["1 + 1 // two"], value: 2 },
    { entries: ["const x: number = 3;", "x as number"], value: 3 },
    { entries: ["const x = 1", "const x = 2", "x"], value: 2 },
    { entries: ["let x = 1", "let x", "x"], value: undefined },
    { entries: ["var x = 1", "var x", "x"], value: 1 },
    { entries: ["const f = () => 1", "f.name"], value: "f" },
    { entries: ["const y = await Promise.resolve(4)", "y"], value: 4 },
    { entries: ["let n = 0", "for (const k of [1, 2]) n += await k", "n"], value: 3 },
    { entries: ["{ a: 1, b: [2] }"], value: { a: 1, b: [2] } },
    { entries: ["{ a: 1 } // one"], value: { a: 1 } },
    { entries: ["{ const a = 1; }"], value: undefined },
    { entries: ["enum Colour { Red, Blue }", "Colour.Blue"], value: 1 },
    { entries: ["const x = 5;"], value: undefined },
    { entries: ["// nothing"], value: undefined },
  ])("$entries", async ({ entries, value }) => {
    expect(await last(entries, prompt())).toEqual(value);
  });

  test("gives a promise that is not awaited as a promise", async () => {
    const { code } = compileEntry("Promise.resolve(1)");
    const result = (await new Function(`return (async () => {\n${code}\n})()`)()) as { value: unknown };
    expect(result.value).toBeInstanceOf(Promise);
  });

  test("names everything that it declares at its top level, and nothing below", () => {
    const { names } = compileEntry(
      "const { a, b: [c = 1, ...d], ...e } = { b: [] }, [, f] = []; for (let g of d) { const h = 1 } function i(j) {} class K {}",
    );
    expect(names).toEqual(["a", "c", "d", "e", "f", "i", "K"]);
  });

  test("names what it imports, without the types", () => {
    const { imports } = compileEntry('import whole, { add as plus, type Tensor } from "separable"; import * as s from "other";');
    expect(imports).toEqual([
      { source: "separable", imported: "default", local: "whole" },
      { source: "separable", imported: "add", local: "plus" },
      { source: "other", imported: "*", local: "s" },
    ]);
  });

  test.each(["tensor([1, 2]", "let let = 1", "a b"])("%s is a SyntaxError", (text) => {
    expect(() => compileEntry(text)).toThrow(SyntaxError);
  });

  test("of the page's examples gives a value", async () => {
    const evaluate = prompt(library);
    await evaluate(firstEntry);
    for (const { title, code } of examples) expect(await evaluate(code), title).toBeTypeOf("object");
    await library.disposeBackend();
  });
});
