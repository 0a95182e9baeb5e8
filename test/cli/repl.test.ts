/** The prompt of the compiled program, with lines from a pipe in place of a keyboard. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** What the prompt prints when these lines are typed, without its greeting. */
const type = (...lines: string[]): string => {
  const output = execFileSync(process.execPath, [program, "repl", "--backend", "reference"], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
  });
  expect(output).toMatch(/^separable \d+\.\d+\.\d+, reference, 1 thread/);
  return output.slice(output.indexOf("> "));
};

test("the library is in scope, tensors print, and await works at the top level", () => {
  expect(type("const x = tensor([[1, 2], [3, 4]]);", "matmul(x, x)")).toBe(
    "> undefined\n> Tensor float32 [2,2]\n[[ 7. 10.]\n [15. 22.]]\n> ",
  );
  expect(type("await sum(tensor([1, 2, 3])).item()")).toBe("> 6\n> ");
  expect(type("typeof loadCifar + typeof s.initBackend")).toBe("> 'functionfunction'\n> ");
});

test("an error of the library does not end the session", () => {
  expect(type("add(tensor([1, 2]), tensor([1, 2, 3]))", "1 + 1")).toMatch(/ShapeError: add: sizes must agree or be 1(.*\n)+> 2\n> $/);
});

test("Node's own names stay, and the library's are in s", () => {
  expect(type("Buffer.from('a').length + ' ' + (s.Buffer === Buffer)")).toBe("> '1 false'\n> ");
});

test(".clear keeps the library", () => {
  expect(type("var mine = 1", ".clear", "typeof mine + typeof tensor")).toMatch(/> 'undefinedfunction'\n> $/);
});
