/** Collects the cases of a folder of fixtures, in the order counts, decompositions, blocks, training. */

import { blockCases } from "./blocks.ts";
import type { Case } from "./comparison.ts";
import { countCases } from "./counts.ts";
import { decompositionCases } from "./decompositions.ts";
import { Fields, FixtureError, FixtureFolder } from "./fixture-folder.ts";
import { stepCases } from "./network-steps.ts";

/** The files of the layout, and the functions that turn their contents into cases. */
const parts: readonly (readonly [string, (content: unknown, where: string, folder: FixtureFolder) => Case[]])[] = [
  ["counts.json", (content, where) => countCases(Fields.list(content, where))],
  ["decomp.json", (content, where) => decompositionCases(Fields.list(content, where))],
  ["blocks/index.json", (content, where, folder) => blockCases(new Fields(content, where), folder)],
  ["wrn_step/index.json", (content, where, folder) => stepCases(new Fields(content, where), folder)],
];

/** @throws FixtureError when the folder holds none of the files, or a file that is malformed. */
export async function collectCases(path: string): Promise<Case[]> {
  const folder = new FixtureFolder(path);
  const cases: Case[] = [];
  for (const [file, toCases] of parts) {
    const content = await folder.json(file);
    if (content !== undefined) for (const found of toCases(content, file, folder)) cases.push(found);
  }
  if (cases.length > 0) return cases;
  const files = parts.map(([file]) => file);
  throw new FixtureError(`verify: ${path} must be a folder with cases in ${files.slice(0, -1).join(", ")} or ${files.at(-1)}, got none`);
}
