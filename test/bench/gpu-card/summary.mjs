/** Writes the measurements of gpu-card.sh as Markdown: `node summary.mjs ROWS`. */

import { readFileSync } from "node:fs";

const rows = readFileSync(process.argv[2], "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line));
const find = (name, side) => rows.find((row) => row.name === name && row.side === side);

/** A time in milliseconds, or why there is none. */
const time = (row) => (row === undefined ? "" : (row.error ?? milliseconds(row.result.ms)));
const milliseconds = (ms) => ms.toFixed(ms < 10 ? 3 : 1);
/** The quotient of two times, where both are known. */
const ratio = (above, below) => (above?.result && below?.result ? (above.result.ms / below.result.ms).toPrecision(3) : "");
const table = (lines) => lines.map((cells) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`).join("\n");

function machine() {
  const [card, wasm, auto, torch] = ["card", "wasm", "auto", "torch"].map((side) => find("info", side));
  const { adapter, selfTest } = card?.result?.backend ?? {};
  const choice = auto?.result?.backend.choice;
  return [
    adapter === undefined
      ? `- card: ${card?.error}`
      : `- card: ${adapter.name}, ${adapter.software ? "a software adapter" : "hardware"}; self-test ${selfTest}`,
    wasm?.result
      ? `- processor: ${wasm.result.processor}, ${wasm.result.cores} cores; wasm with ${wasm.result.backend.threads} threads, ` +
        wasm.result.backend.simd
      : `- processor: ${wasm?.error}`,
    `- \`auto\`: ${choice === undefined ? auto?.error : `${auto.result.backend.name} (${choice.reason})`}`,
    torch === undefined ? "- PyTorch: none" : `- PyTorch: ${torch.error ?? `${torch.result.torch} on ${torch.result.device}`}`,
    ...(card?.result ? [`- separable ${card.result.separable}, Node ${card.result.node}, ${card.result.platform}`] : []),
  ].join("\n");
}

/** The rows that have sides to compare. */
function comparison() {
  const names = [...new Set(rows.map(({ name }) => name))].filter((name) => !["info", "profile", "dispatch-1k"].includes(name));
  return table([
    ["row", "card, ms", "GFLOP/s", "wasm, ms", "wasm / card", "PyTorch, ms", "card / PyTorch"],
    ["---", "--:", "--:", "--:", "--:", "--:", "--:"],
    ...names.map((name) => {
      const [card, wasm, torch] = ["card", "wasm", "torch"].map((side) => find(name, side));
      const speed = card?.result?.gflops ? card.result.gflops.toFixed(1) : "";
      return [name, time(card), speed, time(wasm), ratio(wasm, card), time(torch), ratio(card, torch)];
    }),
  ]);
}

function launches() {
  const [dispatch, profile] = [find("dispatch-1k", "card"), find("profile", "card")];
  // The row has a thousand launches, so its milliseconds are the microseconds of one.
  const parts = [`A launch of almost nothing: ${dispatch?.result ? `${dispatch.result.ms.toFixed(1)} µs` : dispatch?.error}.`];
  if (profile?.result === undefined) return [...parts, `The profile: ${profile?.error}.`].join("\n\n");
  const { name, ms, launches: count, readbacks, programs } = profile.result;
  parts.push(
    `\`${name}\`: ${milliseconds(ms)} ms, ${count} launches, ${((1000 * ms) / count).toFixed(1)} µs for each; ${readbacks} readbacks. ` +
      "The programs, timed one by one:",
    table([
      ["program", "launches", "ms"],
      ["---", "--:", "--:"],
      ...programs.slice(0, 12).map((row) => [row.program, row.launches, milliseconds(row.ms)]),
    ]),
  );
  return parts.join("\n\n");
}

process.stdout.write(
  `${[
    "# A graphics card, measured",
    machine(),
    "## Time of a repetition",
    "Medians. A quotient of wasm / card above 1 means that the card is faster, and so does card / PyTorch below 1.",
    comparison(),
    "## Launches",
    launches(),
  ].join("\n\n")}\n`,
);
