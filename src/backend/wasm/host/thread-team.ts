/**
 * The workers behind `parallel` (assembly/team.ts). Each worker is started once and stays inside the kernels' waiting loop until it is
 * dismissed. JavaScript starts the workers, keeps them from holding up the end of the process, and notices when a worker is gone.
 */

import { BackendError } from "../../../core/errors.ts";
import { nextJob } from "../../collect-garbage.ts";
import { nodeProcess } from "../../host-process.ts";
import type { KernelExports } from "./kernel-exports.ts";

/** Milliseconds without a finished chunk after which a call is given up. A chunk takes a few milliseconds. */
const patience = 20_000;

/**
 * What a worker runs, in Node (CommonJS) and in browsers: it instantiates the module on the common memory, then waits for work for ever.
 */
const workerSource = `
const begin = ({ module, memory, index }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, waiting() {} } });
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
  const target = globalThis as unknown as Document;
  target.addEventListener("securitypolicyviolation", onViolation);
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
    target.removeEventListener("securitypolicyviolation", onViolation);
    URL.revokeObjectURL(address);
  }
}

export class ThreadTeam {
  /** Computing threads, the caller's included. */
  readonly threads: number;
  #workers: TeamWorker[] = [];
  #fault: string | undefined;
  #waitedFor = { job: -1, progress: -1, since: 0 };

  constructor(threads: number) {
    this.threads = threads;
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
   * @throws BackendError when nothing has changed for `patience`.
   */
  waiting(job: number, progress: number): void {
    const now = performance.now();
    if (job !== this.#waitedFor.job || progress !== this.#waitedFor.progress) this.#waitedFor = { job, progress, since: now };
    else if (now - this.#waitedFor.since > patience) {
      this.#fault = "a worker thread stopped answering in the middle of a kernel; create the backend anew";
      this.check();
    }
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
