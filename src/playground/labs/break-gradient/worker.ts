/** The worker of the lab: it runs the visitor's text, so it is ended and started again where the text does not end. */

import { initBackend } from "../../../backend/active.ts";
import { checkSource } from "./check.ts";
import { exercises } from "./exercises.ts";
import type { Verdict } from "./verdict.ts";

export interface CheckRequest {
  readonly id: number;
  readonly exercise: string;
  readonly source: string;
}

export interface CheckAnswer {
  readonly id: number;
  readonly verdict: Verdict;
}

addEventListener("message", async ({ data: { id, exercise, source } }: MessageEvent<CheckRequest>) => {
  await initBackend(["wasm", "reference"], { threads: 1 });
  // Each check has inputs of its own, so that a fault that one has missed is found by the next.
  const verdict = await checkSource(exercises.find(({ name }) => name === exercise)!, source, id);
  const answer: CheckAnswer = { id, verdict };
  postMessage(answer);
});
