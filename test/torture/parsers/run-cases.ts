/**
 * Runs parser cases in a process of limited memory, and watches its time and its size. A case that takes too long, or that ends the
 * process, is a finding. The cases after it run in a new process.
 */

import { type ChildProcess, fork } from "node:child_process";
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCli, tinyRun } from "../../cli/run-cli.ts";
import type { Batch, Finding, Report } from "./worker.ts";

export interface CasesOptions {
  readonly seed: number;
  readonly cases: number;
  /** A file that keeps how far the cases have come. With the same seed, they go on there. Default: none. */
  readonly progress?: string | undefined;
  /** A file to which a JSON line is added for each finding and each batch. Default: none. */
  readonly log?: string | undefined;
}

export interface CasesResult {
  readonly seed: number;
  /** How many cases have run, those of earlier calls included. */
  readonly cases: number;
  readonly accepted: number;
  readonly refused: number;
  readonly peakBytes: number;
  readonly findings: readonly Finding[];
  readonly targets: Readonly<Record<string, number>>;
}

const batchSize = 500;
/** JavaScript's objects in the process that runs the cases, in MiB. */
const heapLimit = 512;
/** The process is replaced when it has grown to this size, because freed memory does not always return to the system. */
const largestProcess = 1.5 * 2 ** 30;
/** A case takes a millisecond. A machine that is busy with other work may hold it up. */
const longestCaseMs = 20_000;

interface State {
  readonly seed: number;
  next: number;
  accepted: number;
  refused: number;
  peakBytes: number;
  findings: Finding[];
  targets: Record<string, number>;
}

async function readState(path: string | undefined, seed: number): Promise<State> {
  const fresh: State = { seed, next: 0, accepted: 0, refused: 0, peakBytes: 0, findings: [], targets: {} };
  if (path === undefined) return fresh;
  const kept = await readFile(path, "utf8").then(
    (text) => JSON.parse(text) as State,
    () => fresh,
  );
  return kept.seed === seed ? kept : fresh;
}

export async function runCases({ seed, cases, progress, log }: CasesOptions): Promise<CasesResult> {
  const folder = await mkdtemp(join(tmpdir(), "torture-"));
  const state = await readState(progress, seed);
  const write = async (line: unknown): Promise<void> => {
    if (log !== undefined) await appendFile(log, `${JSON.stringify(line)}\n`);
  };
  try {
    const run = join(folder, "corpus");
    const { code, stderr } = await runCli([...tinyRun, "--run", run]);
    if (code !== 0) throw new Error(`the run for the corpus must succeed, got ${stderr}`);
    let worker: Worker | undefined;
    while (state.next < cases) {
      worker ??= await startWorker({ seed, run, scratch: join(folder, "scratch"), status: join(folder, "status") });
      const batch = { from: state.next, to: Math.min(cases, state.next + batchSize) };
      const { findings, end } = await worker.run(batch);
      state.findings.push(...findings);
      for (const finding of findings) await write(finding);
      if (end === undefined) {
        // The last finding says where the process hung or died. What it had done of the batch before is not counted again.
        const last = findings.at(-1)!.case;
        state.next = last + 1;
        worker = undefined;
      } else {
        state.next = end.done;
        state.accepted += end.accepted;
        state.refused += end.refused;
        state.peakBytes = Math.max(state.peakBytes, end.peakBytes);
        for (const [name, count] of Object.entries(end.targets)) state.targets[name] = (state.targets[name] ?? 0) + count;
        await write({ seed, cases: state.next, accepted: state.accepted, refused: state.refused, peakBytes: end.peakBytes });
        if (end.peakBytes > largestProcess) {
          await worker.stop();
          worker = undefined;
        }
      }
      if (progress !== undefined) {
        await writeFile(`${progress}.new`, JSON.stringify(state));
        await rename(`${progress}.new`, progress);
      }
    }
    await worker?.stop();
    const { next, ...rest } = state;
    return { ...rest, cases: next };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type End = Extract<Report, { done: number }>;

interface Worker {
  /** `end` is undefined where the process has hung or died. The last finding says so. */
  run(batch: Batch): Promise<{ findings: Finding[]; end: End | undefined }>;
  stop(): Promise<void>;
}

async function startWorker(options: { seed: number; run: string; scratch: string; status: string }): Promise<Worker> {
  await mkdir(options.scratch, { recursive: true });
  const file = fileURLToPath(new URL("worker.ts", import.meta.url));
  const execArgv = [`--max-old-space-size=${heapLimit}`, "--import", import.meta.resolve("tsx")];
  const child = fork(file, [JSON.stringify(options)], { execArgv, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let complaint = "";
  child.stderr!.on("data", (text: Buffer) => {
    complaint = (complaint + text.toString()).slice(-2000);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once("message", () => resolve());
    void ended.then(() => reject(new Error(`the process of the cases must start, got ${complaint}`)));
  });
  const current = async (): Promise<string> => (await readFile(options.status, "utf8").catch(() => "")).trim();
  return {
    run: (batch) => watch(child, batch, { current, ended, complaint: () => complaint }),
    stop: async () => {
      child.disconnect();
      await ended;
    },
  };
}

interface Watched {
  /** The number of the current case and its target. */
  current(): Promise<string>;
  readonly ended: Promise<void>;
  complaint(): string;
}

async function watch(child: ChildProcess, batch: Batch, { current, ended, complaint }: Watched): ReturnType<Worker["run"]> {
  const findings: Finding[] = [];
  const end = new Promise<End | undefined>((resolve) => {
    child.on("message", (report: Report) => {
      if ("finding" in report) findings.push(report.finding);
      else if ("done" in report) resolve(report);
    });
    void ended.then(() => resolve(undefined));
  });
  let [seen, hung] = ["", false];
  // The time of a case is counted from when it is first seen. A case that is seen twice in a row has taken at least the time between.
  const timer = setInterval(async () => {
    const now = await current();
    if (now === seen && now !== "") {
      hung = true;
      child.kill("SIGKILL");
    }
    seen = now;
  }, longestCaseMs);
  child.send(batch);
  const result = await end;
  clearInterval(timer);
  child.removeAllListeners("message");
  if (result !== undefined) return { findings, end: result };
  const [index = String(batch.from), ...name] = (await current()).split(" ");
  const detail = hung ? `more than ${longestCaseMs / 1000} s` : complaint().slice(-1000);
  findings.push({ case: Number(index), target: name.join(" "), kind: hung ? "time" : "death", detail });
  return { findings, end: undefined };
}
