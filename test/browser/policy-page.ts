/** The page of the tests of policies and memory in a browser. */

import { add, disposeBackend, initBackend, memory, relu, zeros } from "../../src/index.ts";

const messageOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

export const entries = {
  /** What `initBackend` returns, and 1 + 2 on the backend that it chose; or the error. */
  async start(names: readonly ("auto" | "wasm" | "reference")[], threads?: number): Promise<unknown> {
    try {
      const choice = await initBackend(names, threads === undefined ? {} : { threads });
      const x = add(zeros([1]), 3);
      const sum = await x.item();
      x.dispose();
      disposeBackend();
      return { choice, sum };
    } catch (error) {
      return messageOf(error);
    }
  },

  /** Makes and drops 512 MiB on an arena of 64 MiB, and reads one number of every 16 MiB. */
  async drop(): Promise<number> {
    await initBackend(["wasm"], { threads: 1, maximumBytes: 2 ** 26 });
    for (let i = 0; i < 32; i++) {
      for (let j = 0; j < 8; j++) zeros([1024, 256]);
      await relu(zeros([1024, 2048])).data();
    }
    return memory().reserved;
  },
};

Object.assign(globalThis, { entries });
