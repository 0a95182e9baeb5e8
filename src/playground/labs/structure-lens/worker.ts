/** The worker of the structure lens: one request, one answer. Of requests that wait, only the last is answered. */

import { initBackend } from "../../../backend/active.ts";
import { type LensReport, type LensRequest, lookThrough } from "./lens.ts";

export type LensAnswer = { readonly kind: "report"; readonly report: LensReport } | { readonly kind: "failed"; readonly message: string };

const answer = (content: LensAnswer): void => postMessage(content);
let waiting: LensRequest | undefined;
let isBusy = false;

async function work(): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  try {
    await initBackend(["wasm", "reference"]);
    while (waiting !== undefined) {
      const request = waiting;
      waiting = undefined;
      answer({ kind: "report", report: await lookThrough(request) });
    }
  } catch (error) {
    answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  } finally {
    isBusy = false;
  }
}

addEventListener("message", ({ data }: MessageEvent<LensRequest>) => {
  waiting = data;
  void work();
});
