/** The storage of a tensor that nobody refers to any more is released when the garbage collector finds the tensor. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

// A program can request garbage collection only if Node was started with --expose-gc. It may take several rounds until the registry is
// called.
const program = `
import { initBackend, memory, zeros } from "./src/index.ts";
await initBackend(["reference"]);
const kept = zeros([3]);
(() => { for (let i = 0; i < 1000; i++) zeros([100]); })();
const before = memory().storages;
for (let round = 0; round < 1000 && memory().storages > 1; round++) {
  globalThis.gc();
  await new Promise((resolve) => setImmediate(resolve));
}
console.log(JSON.stringify([before, memory().storages, kept.size]));
`;

test("a thousand unreachable tensors are freed, and the reachable one is not", async () => {
  const argv = ["--expose-gc", "--import", "tsx", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  expect(JSON.parse(stdout)).toEqual([1001, 1, 3]);
});
