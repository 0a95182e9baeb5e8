/** The requests to a worker, and arrays as text. A worker is a process that answers one line of JSON with one line of JSON. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Problem } from "../../../src/bench/benchmarks.ts";
import { BackendError } from "../../../src/core/errors.ts";
import type { Shape } from "../../../src/core/shape.ts";

/** Little-endian float32 in base64. */
export interface EncodedArray {
  readonly shape: Shape;
  readonly data: string;
}

export interface TrainingStep {
  readonly classes: number;
  readonly rates: { readonly learningRate: number; readonly momentum: number; readonly weightDecay: number };
  readonly labels: readonly number[];
  readonly parameters: Readonly<Record<string, EncodedArray>>;
}

export type Request =
  | { readonly do: "facts" }
  | {
      readonly do: "prepare";
      readonly problem: Problem;
      readonly operands?: readonly EncodedArray[];
      /** What a training step has beside its images. */
      readonly step?: TrainingStep;
    }
  | { readonly do: "turn"; readonly milliseconds: number };

/** @throws RangeError on a big-endian machine, whose bytes the other side would misread. */
export function encodeFloats(values: ArrayLike<number>): string {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new RangeError("encodeFloats: the machine must be little-endian");
  return Buffer.from(Float32Array.from(values).buffer).toString("base64");
}

export function decodeFloats(data: string): Float32Array {
  const bytes = Buffer.from(data, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

export interface Worker {
  /** @throws Error with the worker's own message when it cannot do what is asked, or has ended. */
  ask<Answer>(request: Request): Promise<Answer>;
  /** Lets the process end. */
  stop(): void;
}

/** Starts a process that answers requests. Its stderr is passed on. */
export function startWorker(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Worker {
  const child: ChildProcess = spawn(command, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ended = new Promise<never>((_, reject) => {
    child.once("error", (error) => reject(new BackendError(`bench:torch: ${command} must start, got ${error.message}`)));
    child.once("close", (code, signal) =>
      reject(new BackendError(`bench:torch: ${command} must answer, got its end (${signal ?? `exit code ${code}`}); its stderr says why`)),
    );
  });
  // The end of a worker that nobody asks any more is no error.
  ended.catch(() => {});
  child.stdin!.on("error", () => {});
  return {
    async ask<Answer>(request: Request): Promise<Answer> {
      child.stdin!.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await Promise.race([lines.next(), ended]);
      if (done) return ended;
      const answer = JSON.parse(value) as Answer & { error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    stop: () => child.stdin!.end(),
  };
}
