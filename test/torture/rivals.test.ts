/** Ten thousand rounds of four processes that want the same lock, with stale locks and killed holders. */

import { expect, test } from "vitest";
import { letRivalsRun } from "../train/node/rivals.ts";

test("four rivals are never inside at once", async () => {
  const seed = Number(process.env.SEED ?? 7);
  const rounds = Number(process.env.ROUNDS ?? 10_000);
  const report = await letRivalsRun({
    rounds,
    seed,
    onRound: ({ taken, overlaps, killed }) => {
      if (taken % 2000 === 0) console.log(`${taken} locks taken, ${killed} holders killed, ${overlaps} overlaps (SEED=${seed})`);
    },
  });
  expect(report).toMatchObject({ taken: 4 * rounds, overlaps: 0, left: [] });
});
