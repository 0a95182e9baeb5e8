/** When the caller of a kernel gives its workers up: after the team's patience of running time, and not because the process was stopped. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ThreadTeam } from "../../../src/backend/wasm/host/thread-team.ts";
import { BackendError } from "../../../src/core/errors.ts";

const patience = 20_000;

/** A team on a clock that the test moves. `after` calls `waiting` when so many milliseconds have passed. */
function waitingTeam(): { after: (milliseconds: number, progress: number) => void } {
  let now = 5;
  const team = new ThreadTeam(2, { patience, clock: () => now });
  return {
    after: (milliseconds, progress) => {
      now += milliseconds;
      team.waiting(1, progress);
    },
  };
}

const gone = new BackendError("wasm: a worker thread stopped answering in the middle of a kernel; create the backend anew");
/** Milliseconds between two calls while the process runs, also on a busy machine. */
const slices = fc.array(fc.double({ min: 0.5, max: 50, noNaN: true }), { minLength: 1, maxLength: 50 });
/** The process was stopped for up to a year. */
const stops = fc.array(fc.double({ min: 1000, max: 3.2e10, noNaN: true }), { maxLength: 20 });

test("a stop of any length does not count, wherever it falls", () => {
  fc.assert(
    fc.property(slices, stops, (running, stopped) => {
      const { after } = waitingTeam();
      after(0, 0);
      for (let i = 0; i < Math.max(running.length, stopped.length); i++) {
        if (i < running.length) after(running[i]!, 0);
        if (i < stopped.length) after(stopped[i]!, 0);
      }
    }),
  );
});

test("a worker that does nothing is given up when the process has run for the patience, and not before", () => {
  fc.assert(
    fc.property(slices, (running) => {
      const { after } = waitingTeam();
      after(0, 0);
      let waited = 0;
      for (let i = 0; ; i = (i + 1) % running.length) {
        waited += running[i]!;
        if (waited > patience * (1 + 1e-9)) {
          expect(() => after(running[i]!, 0)).toThrow(gone);
          return;
        }
        if (waited < patience * (1 - 1e-9)) after(running[i]!, 0);
        else return;
      }
    }),
    { numRuns: 20 },
  );
});

test("progress starts the patience anew", () => {
  const { after } = waitingTeam();
  for (let progress = 0; progress < 10; progress++) for (let i = 0; i < 250; i++) after(50, progress);
});

/**
 * Waits for a worker on a clock that runs a thousand times as fast, so that a stop of 20 ms is longer than the patience. The worker makes
 * progress after each millisecond. The wait ends when there is a file.
 */
const waiter = `
import { existsSync } from "node:fs";
const [module, file] = process.argv.slice(1);
const { ThreadTeam } = await import(module);
const team = new ThreadTeam(2, { clock: () => 1000 * performance.now() });
const cell = new Int32Array(new SharedArrayBuffer(4));
for (let progress = 0; !existsSync(file); progress++) {
  team.waiting(1, progress);
  if (progress === 0) console.log("waiting");
  Atomics.wait(cell, 0, 0, 1);
  team.waiting(1, progress);
}
console.log("survived");
`;

test.skipIf(process.platform !== "linux")("a process that is stopped and continued goes on", async () => {
  const module = new URL("../../../dist/backend/wasm/host/thread-team.js", import.meta.url).href;
  const folder = mkdtempSync(join(tmpdir(), "separable-team-"));
  const file = join(folder, "continued");
  const child = spawn(process.execPath, ["--input-type=module", "-e", waiter, module, file], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout! }).on("line", (line) => lines.push(line));
  await once(output, "line");
  const state = (): string => readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]![0]!;
  child.kill("SIGSTOP");
  while (state() !== "T");
  const stoppedAt = performance.now();
  while (performance.now() - stoppedAt < 40);
  child.kill("SIGCONT");
  writeFileSync(file, "");
  const [code] = (await once(child, "close")) as [number | null];
  rmSync(folder, { recursive: true });
  expect({ code, lines }).toEqual({ code: 0, lines: ["waiting", "survived"] });
});
