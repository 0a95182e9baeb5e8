/** Prints what the kernels and the layers of a profile cost, and writes the trace of a profile. */

import { chromeTrace } from "../bench/chrome-trace.ts";
import type { ProfileRow, ProfileRows } from "../bench/profile-rows.ts";
import type { Profile } from "../nn/profile.ts";
import { writeFileAtomic } from "../train/node/atomic-file.ts";
import { formatCount, formatMegabytes, formatMilliseconds, formatPercent, formatTable } from "./format.ts";

/** Layers below this share of the step are summed up in one line, because a deep network has hundreds. */
const shownShare = 0.005;

/** Two tables, one by kernel and one by layer, and the time in which no kernel ran. */
export function profileTables({ ms, betweenKernelsMs, kernels, layers }: ProfileRows): string {
  const shown = layers.filter(({ share }) => share >= shownShare);
  const rest = layers.length - shown.length;
  return [
    table("kernel", kernels),
    table("layer", shown),
    ...(rest === 0 ? [] : [`${formatCount(rest)} more layers take less than ${formatPercent(shownShare)} each; --json lists them.\n`]),
    `The profiled step took ${formatMilliseconds(ms)} ms. ` +
      `In ${formatMilliseconds(betweenKernelsMs)} ms of it (${formatPercent(betweenKernelsMs / ms)}) no kernel ran: ` +
      "that is recording, shape checks and memory.\n",
  ].join("\n");
}

function table(first: string, rows: readonly ProfileRow[]): string {
  const header = [first, "calls", "ms", "forward", "backward", "share", "moved", "GB/s", "GFLOP/s"];
  const cells = rows.map((row) => [
    row.name,
    formatCount(row.calls),
    ...[row.ms, row.forwardMs, row.backwardMs].map(formatMilliseconds),
    formatPercent(row.share),
    formatMegabytes(row.bytes),
    row.gigabytesPerSecond.toFixed(1),
    row.gflops === 0 ? "–" : row.gflops.toFixed(1),
  ]);
  return formatTable(header, cells, ["left", ...header.slice(1).map(() => "right" as const)]);
}

/** @throws DataError when the file cannot be written. */
export const writeTrace = (path: string, profiles: readonly { readonly name: string; readonly profile: Profile }[]): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(chromeTrace(profiles))}\n`);
