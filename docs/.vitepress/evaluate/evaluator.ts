/** Runs code in a worker, so that the page stays responsive and an endless loop can be stopped. */

/**
 * What the worker is asked to run. A program is a module of its own. An entry of the console has the whole library and the variables of
 * the entries before it in scope.
 */
export interface Request {
  readonly kind: "program" | "entry";
  readonly code: string;
}

/** A piece of text for the reader: what the code printed, what an entry is, or why the code failed. */
export interface Output {
  readonly kind: "printed" | "value" | "error";
  readonly text: string;
}

/** What the worker sends: some output, or the end of what it was asked to run. */
export type Reply = Output | { readonly kind: "done" };

export interface Evaluator {
  /** Resolves when the code has ended or was stopped. It does not reject: an error of the code is output. One call at a time. */
  run(request: Request): Promise<void>;
  /** Ends the worker. Its variables are gone, and it runs nothing more. */
  stop(): void;
}

/** Starts a worker. `show` is called with everything that it puts out. */
export function startEvaluator(show: (output: Output) => void): Evaluator {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "evaluator" });
  let end = (): void => {};
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    if (data.kind === "done") end();
    else show(data);
  };
  worker.onerror = ({ message }) => {
    show({ kind: "error", text: message || "The worker could not be started." });
    end();
  };
  return {
    run: (request) =>
      new Promise<void>((resolve) => {
        end = resolve;
        worker.postMessage(request);
      }),
    stop: () => {
      worker.terminate();
      end();
    },
  };
}
