/** Shortens what compress-table.sh prints to the lines of results.jsonl: `npx tsx docs/compress-table/record.ts compress.jsonl`. */

import { readFileSync, writeFileSync } from "node:fs";
import { kindIn } from "../../src/structured/convolution-name.ts";
import { compressResultsIn } from "./results.ts";

interface Printed {
  readonly conv: string;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  readonly relativeError: number;
  readonly before: { readonly accuracy: number };
  readonly after: { readonly accuracy: number };
  readonly tuned: { readonly accuracy: number };
}

/** The family of a spec for each layer; layers that stayed dense are passed over. */
const familyIn = (conv: string): string => [...new Set(conv.split(",").map(kindIn))].find((family) => family !== "Conv") ?? "Conv";

const lines = readFileSync(process.argv[2]!, "utf8")
  .trim()
  .split("\n")
  .map((line) => {
    const { conv, before, after, tuned, ...numbers } = JSON.parse(line) as Printed;
    const { parametersBefore, parametersAfter, relativeError } = numbers;
    const accuracies = { before: before.accuracy, after: after.accuracy, tuned: tuned.accuracy };
    return JSON.stringify({ family: familyIn(conv), parametersBefore, parametersAfter, relativeError, ...accuracies });
  })
  .join("\n");
compressResultsIn(lines);
writeFileSync(new URL("results.jsonl", import.meta.url), `${lines}\n`);
