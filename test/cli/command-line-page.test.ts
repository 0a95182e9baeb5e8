/** The documentation and the help texts name the same options. `npx vitest run test/cli/command-line-page.test.ts -u` writes the page anew. */

import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "./run-cli.ts";

const root = resolve(import.meta.dirname, "../..");

const helpOf = async (...argv: string[]): Promise<string> => (await runCli([...argv, "--help"])).stdout.trimEnd();

/** The commands, in the order in which the help lists them. */
const commands = [...(await helpOf()).matchAll(/^ {2}([a-z][a-z-]*) \[options\]/gm)].map(([, name]) => name!);

/** The help of each command. */
const help = new Map<string, string>();
for (const command of commands) help.set(command, await helpOf(command));

test("docs/command-line.md has the help of every command", async () => {
  const sections = [...help].map(([command, text]) => `## ${command}\n\n\`\`\`text\n${text}\n\`\`\``);
  const introduction =
    "# The command line\n\n" +
    "This page has what `separable <command> --help` prints for each command: every option with its default. The\n" +
    "[README](../README.md#use-it) shows the commands in use. The pages on [runs](runs.md), [sweeps](sweeps.md), [compression](compress.md)\n" +
    "and [prediction](predict.md) explain them.";
  await expect(`${[introduction, ...sections].join("\n\n")}\n`).toMatchFileSnapshot("../../docs/command-line.md");
});

test("command lines in the documentation name options that the command has", async () => {
  const pages = [
    "README.md",
    "CHANGELOG.md",
    ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).map((path) => join("docs", path)),
  ];
  let checked = 0;
  for (const page of pages.filter((path) => path.endsWith(".md"))) {
    const text = readFileSync(join(root, page), "utf8");
    // A command follows the program, or begins a span of code.
    for (const [line, command] of text.matchAll(/(?<=separable |`)([a-z][a-z-]*) [^\n`#|]*/g)) {
      const known = help.get(command!);
      if (known === undefined) continue;
      for (const [option] of line.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)) {
        checked++;
        expect(`${known}\n`, `${page}: ${line}`).toMatch(new RegExp(`${option}(?![\\w-])`));
      }
    }
  }
  expect(checked).toBeGreaterThan(100);
});
