/** Nothing that the program prints can act on the terminal, whatever the names in files are. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatRows, formatTable } from "../../src/cli/format.ts";
import { printable, printableLine, printableOutput, streamOf } from "../../src/cli/printable-output.ts";
import { writeNotes } from "../../src/cli/terminal.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";
import { runCli } from "./run-cli.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "printable-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Clears the screen, renames the window, turns the text round, and the same by C1 characters. */
const hostile = "a\u001b[2J\u001b]0;owned\u0007\u202eb\u009b2Jc\rd";
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not be printed.
const acts = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

test("a printed text acts on no terminal, and printing it twice changes nothing", () =>
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(printable(text)).not.toMatch(acts);
      expect(printableLine(text)).not.toMatch(/[\n\t]/);
      expect(printable(printable(text))).toBe(printable(text));
    }),
    { numRuns: 50 },
  ));

test("a line of JSON keeps its value", () =>
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
      expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  ));

test("letters of every script, emoji and the joiners inside words stay as they are", () => {
  const text = "größe 日本 می\u200cخواهم 👩\u200d🔬\n\tx";
  expect(printable(text)).toBe(text);
});

test("the output keeps the width of its stream, and the stream is at hand for a progress bar", () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), isTTY: true, columns: 80 };
  const output = printableOutput(stream);
  output.write(hostile);
  stream.columns = 60;
  expect(written.join("")).not.toMatch(acts);
  expect([output.isTTY, output.columns]).toEqual([true, 60]);
  expect(streamOf(output)).toBe(stream);
});

test("a name adds no line to a table, to rows and to notes", () => {
  expect(formatTable(["class"], [["a\nb"]], ["left"])).toBe("  class\n  a\\u000ab\n");
  expect(formatRows([["x", "a\nb"]], 2)).toBe("x a\\u000ab\n");
  let notes = "";
  writeNotes({ stderr: { write: (text) => (notes += text) } }, ["a\nseparable: all is well"]);
  expect(notes).toBe("note: a\\u000aseparable: all is well\n");
});

test("names of tensors and files are harmless in errors and results, as text and as JSON", async () => {
  const path = join(folder, `${hostile}.safetensors`);
  await writeFile(path, encodeSafetensors(new Map([[hostile, { shape: [1], data: Float32Array.of(1) }]])));
  const commands = [
    ["convert", path, join(folder, `${hostile}.npz`)],
    ["inspect", "--checkpoint", path],
    ["inspect", "--checkpoint", path, "--layer", hostile],
    ["eval", path, "--data", "synthetic", "--limit-train", "12", "--limit-test", "6"],
    ["predict", path, hostile],
    ["train", `--${hostile}`],
    ["report", hostile, "--out", join(folder, "out")],
  ];
  for (const command of commands)
    for (const form of [[], ["--json"], ["--verbose"]]) {
      const { stdout, stderr } = await runCli([...command, ...form]);
      expect(stdout + stderr, command.join(" ")).not.toMatch(acts);
      expect(stdout + stderr).not.toBe("");
    }
});
