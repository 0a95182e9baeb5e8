/**
 * The workers behind `parallel` (assembly/team.ts). Each worker is started once and stays inside the kernels' waiting loop until it is
 * dismissed. JavaScript starts the workers, keeps them from holding up the end of the process, and notices when a worker is gone.
 */

import { BackendError } from "../../../core/errors.ts";
import { nextJob } from "../../collect-garbage.ts";
import { nodeProcess } from "../../host-process.ts";
import type { KernelExports } from "./kernel-exports.ts";

/** Milliseconds of running without a finished chunk after which a call is given up. A chunk takes a few milliseconds. */
const usualPatience = 20_000;
/**
 * The most milliseconds that count between two calls of `waiting`. The kernels call about every millisecond. A much longer gap means that
 * the whole process did not run: it was stopped (Ctrl-Z, `docker pause`), or the machine slept. The workers did not run then either.
 */
const longestGap = 100;

export interface TeamOptions {
  /** Milliseconds of running without a finished chunk after which a call is given up. Default: 20,000. */
  readonly patience?: number;
  /** Milliseconds. Default: `performance.now`. */
  readonly clock?: () => number;
}

/**
 * What a worker runs, in Node (CommonJS) and in browsers: it instantiates the module on the common memory, then waits for work for ever.
 */
const workerSource = `
const begin = ({ module, memory, index }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, waiting() {}, clock: () => performance.now() } });
  exports.work(index);
};
if (typeof require === "function") begin(require("node:worker_threads").workerData);
else onmessage = (event) => {
  postMessage("started");
  begin(event.data);
};
`;

export interface TeamWorker {
  terminate(): unknown;
}

type Failed = (reason: string) => void;

/** Cores of this machine; 1 where the engine does not tell. */
export function availableThreads(): number {
  const node = nodeProcess();
  if (node !== undefined) return node.getBuiltinModule("node:os").availableParallelism();
  return globalThis.navigator?.hardwareConcurrency ?? 1;
}

/** Whether threads may share memory here: Node, and pages that are cross-origin isolated. */
export const canShareMemory = (): boolean =>
  typeof SharedArrayBuffer === "function" && (nodeProcess() !== undefined || globalThis.crossOriginIsolated === true);

async function startWorker(data: unknown, failed: Failed): Promise<TeamWorker> {
  const node = nodeProcess();
  if (node !== undefined) {
    const { Worker } = node.getBuiltinModule("node:worker_threads");
    const worker = new Worker(workerSource, { eval: true, workerData: data, execArgv: [], stdout: false, stderr: false });
    worker.on("error", (error) => failed(error.message));
    worker.on("exit", (code) => failed(`it exited with code ${code}`));
    await new Promise<void>((resolve) => {
      worker.once("online", resolve);
      worker.once("exit", () => resolve());
    });
    worker.unref();
    return worker;
  }
  return startBrowserWorker(data, failed);
}

/** The page's policy forbids the workers, which a single thread does not need. */
export class ForbiddenWorkersError extends BackendError {}

async function startBrowserWorker(data: unknown, failed: Failed): Promise<TeamWorker> {
  let forbidden = false;
  const onViolation = ({ blockedURI }: SecurityPolicyViolationEvent): void => {
    if (blockedURI.startsWith("blob")) forbidden = true;
  };
  addEventListener("securitypolicyviolation", onViolation);
  const address = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
  try {
    const worker = new Worker(address);
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => reject(new Error(event.message || "no reason given"));
      worker.postMessage(data);
    });
    worker.onerror = (event) => failed(event.message);
    return worker;
  } catch (cause) {
    await nextJob(); // The report of a violation may come after the error.
    if (forbidden || (cause instanceof Error && cause.name === "SecurityError"))
      throw new ForbiddenWorkersError(
        "wasm: the page's Content-Security-Policy forbids blob workers; add `worker-src blob:` to it, or use threads: 1",
        { cause },
      );
    throw new BackendError(`wasm: a worker must start, got: ${cause instanceof Error ? cause.message : cause}; use threads: 1`, { cause });
  } finally {
    removeEventListener("securitypolicyviolation", onViolation);
    URL.revokeObjectURL(address);
  }
}

export class ThreadTeam {
  /** Computing threads, the caller's included. */
  readonly threads: number;
  #workers: TeamWorker[] = [];
  #fault: string | undefined;
  readonly #patience: number;
  readonly #clock: () => number;
  /** What the caller waits for, when `waiting` was called last, and how long the process has run while nothing changed. */
  #waitedFor = { job: -1, progress: -1, calledAt: 0, waited: 0 };

  constructor(threads: number, { patience = usualPatience, clock = () => performance.now() }: TeamOptions = {}) {
    this.threads = threads;
    this.#patience = patience;
    this.#clock = clock;
  }

  async start(module: WebAssembly.Module, memory: WebAssembly.Memory, kernels: KernelExports): Promise<void> {
    const failed: Failed = (reason) => {
      this.#fault ??= `a worker thread is gone (${reason}); create the backend anew`;
    };
    const indices = Array.from({ length: this.threads - 1 }, (_, i) => i + 1);
    this.#workers = await Promise.all(indices.map((index) => startWorker({ module, memory, index }, failed)));
    // A browser's main thread must not block; its workers may.
    kernels.setWorkers(this.#workers.length, !("document" in globalThis));
    this.check();
  }

  /** @throws BackendError once a worker has died or the team was dismissed, because some chunk may never be computed. */
  check(): void {
    if (this.#fault !== undefined) throw new BackendError(`wasm: ${this.#fault}`);
  }

  /**
   * The kernels call this function repeatedly while the caller waits, with the number of the job and the counter that the caller waits for.
   * @throws BackendError when nothing has changed for as long as the team's patience. Time in which the process was stopped does not count.
   */
  waiting(job: number, progress: number): void {
    const now = this.#clock();
    const last = this.#waitedFor;
    if (job !== last.job || progress !== last.progress) {
      this.#waitedFor = { job, progress, calledAt: now, waited: 0 };
      return;
    }
    last.waited += Math.min(now - last.calledAt, longestGap);
    last.calledAt = now;
    if (last.waited <= this.#patience) return;
    this.#fault = "a worker thread stopped answering in the middle of a kernel; create the backend anew";
    this.check();
  }

  /** Whether the team can no longer compute, because it was dismissed or a worker has died. */
  get disposed(): boolean {
    return this.#fault !== undefined;
  }

  dispose(kernels: KernelExports): void {
    this.#fault = "the backend was disposed of; create it anew";
    if (this.#workers.length === 0) return;
    kernels.dismiss();
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
  }

  get workers(): readonly TeamWorker[] {
    return this.#workers;
  }
}
