/** Runs the code of a cell in a worker, so that the page stays responsive and an endless loop can be stopped. */

/** What the worker sends: a printed line, or the end of the program. */
export type CellMessage = { readonly line: string } | { readonly done: true };

export interface CellRun {
  /** Resolves when the program has ended or was stopped. It does not reject: the program's error is a printed line. */
  readonly finished: Promise<void>;
  stop(): void;
}

/** Starts the code in a new worker. `print` is called with every line that it prints. */
export function startCell(code: string, print: (line: string) => void): CellRun {
  const worker = new Worker(new URL("./cell-worker.ts", import.meta.url), { type: "module", name: "cell" });
  let end = (): void => {};
  const finished = new Promise<void>((resolve) => {
    end = () => {
      worker.terminate();
      resolve();
    };
  });
  worker.onmessage = ({ data }: MessageEvent<CellMessage>) => {
    if ("line" in data) print(data.line);
    else end();
  };
  worker.onerror = ({ message }) => {
    print(message || "The cell's worker could not be started.");
    end();
  };
  worker.postMessage(code);
  return { finished, stop: end };
}
