/**
 * Adds a row to the measurements of gpu-card.sh: `node add-row.mjs ROWS SIDE NAME CODE LIMIT OUTPUT ERRORS`. The output is JSON; of an
 * array, the first element counts. A command that failed or was stopped becomes a row with its error.
 */

import { appendFileSync, readFileSync } from "node:fs";

const [rows, side, name, code, limit, output, errors] = process.argv.slice(2);

/** The exit codes of `timeout` when it has stopped a command: by a signal, or by one that cannot be refused. */
const stopped = ["124", "137"];

/** The last line that is not empty, because a long message of an error ends with what is wrong. */
const lastLine = (text) => text.trim().split("\n").at(-1) ?? "";

function result() {
  if (stopped.includes(code)) return { error: `stopped after ${limit} s` };
  if (code !== "0") return { error: lastLine(readFileSync(errors, "utf8")) || `exit code ${code}` };
  try {
    const read = JSON.parse(readFileSync(output, "utf8"));
    return { result: Array.isArray(read) ? read[0] : read };
  } catch (error) {
    return { error: `no JSON: ${error.message}` };
  }
}

appendFileSync(rows, `${JSON.stringify({ side, name, ...result() })}\n`);
