/**
 * Images per second of the same training in Chromium and in Node: both run the session of the playground's worker, on the same build of the
 * kernels and as many threads.
 */

import type { Page } from "playwright-core";
import type { Report } from "../../../src/playground/messages.ts";
import { Session } from "../../../src/playground/session.ts";
import { defaultSettings, type PlaygroundSettings } from "../../../src/playground/settings.ts";

/** Steps that are not counted: engines compile code in them. */
const warmUp = 8;
const batch = 32;

/** One run of WRN-10-1 on synthetic images, for the steps of one epoch. */
export const settingsOf = (conv: string, threads: number, steps: number): PlaygroundSettings => ({
  ...defaultSettings,
  ...{ a: conv, b: "none", batch, train: batch * (warmUp + steps), test: 16, epochs: 1, threads, simd: "relaxed" },
});

/**
 * The pace of the median step, which tests and snapshots between two steps do not change.
 * @param times The milliseconds at which steps were reported.
 */
function imagesPerSecond(times: readonly number[]): number {
  const steps = times.slice(warmUp).map((time, i) => time - times[i + warmUp - 1]!);
  return (1000 * batch) / steps.sort((a, b) => a - b)[steps.length >> 1]!;
}

export async function paceInNode(settings: PlaygroundSettings): Promise<number> {
  const times: number[] = [];
  const post = (report: Report): void => {
    if (report.kind === "failed") throw new Error(report.message);
    // A note says that something else computes than the settings ask for.
    if (report.kind === "note") throw new Error(report.note);
    if (report.kind === "step") times.push(performance.now());
  };
  const session = new Session({ version: "0.0.0", post, fetchCifar: () => Promise.reject(new Error("the images are synthetic")) });
  await session.receive({ kind: "start", settings });
  await session.receive({ kind: "reset" });
  return imagesPerSecond(times);
}

/** @param page A page of the playground. It stays as it is: the run has a worker of its own. */
export async function paceInChromium(page: Page, settings: PlaygroundSettings): Promise<number> {
  const times = await page.evaluate(
    (chosen) =>
      new Promise<number[]>((resolve, reject) => {
        const worker = new Worker("worker.js", { type: "module" });
        const arrivals: number[] = [];
        worker.onmessage = ({ data }: MessageEvent<Report>) => {
          if (data.kind === "failed") reject(new Error(data.message));
          if (data.kind === "note") reject(new Error(data.note));
          if (data.kind === "step") arrivals.push(performance.now());
          if (data.kind !== "status" || data.status !== "finished") return;
          worker.terminate();
          resolve(arrivals);
        };
        worker.postMessage({ kind: "start", settings: chosen });
      }),
    settings,
  );
  return imagesPerSecond(times);
}
