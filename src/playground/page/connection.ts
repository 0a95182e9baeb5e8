/** The page's side of the worker: sends requests, and puts reports into the store. */

import type { Report, Request } from "../messages.ts";
import { afterReport, type Store } from "./state.ts";

export interface Connection {
  send(request: Request): void;
}

/** Starts the worker. @param onCheckpoint Is called with a checkpoint that was asked for. */
export function connect(store: Store, onCheckpoint: (name: string, bytes: Uint8Array) => void): Connection {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    store.update((state) => afterReport(state, data));
    if (data.kind === "checkpoint") onCheckpoint(data.name, data.bytes);
  };
  worker.onerror = ({ message }) => store.fail(new Error(`The worker does not start: ${message || "its script cannot be loaded"}.`));
  return { send: (request) => worker.postMessage(request) };
}
