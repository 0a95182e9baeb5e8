/**
 * Times C = A·B of square matrices, for sizes that `separable bench` lacks:
 *
 *     node gemm.mjs BACKEND SIZE --repeats N --min-seconds S [--threads N]
 *
 * It needs nothing but the built package. A repetition ends by reading one element, as in `separable bench`.
 */

import { parseArgs } from "node:util";
import { initBackend, matmul, scope, slice, tensor } from "separable";
import { webgpu } from "separable/gpu";
import { enableRelaxedSimd, enableWideSimd, provideWebGpu } from "separable/node";

const {
  positionals: [name, size],
  values: { repeats, "min-seconds": minSeconds, threads },
} = parseArgs({
  allowPositionals: true,
  options: { repeats: { type: "string" }, "min-seconds": { type: "string" }, threads: { type: "string" } },
});
const count = Number(size);

enableRelaxedSimd();
enableWideSimd();
if (name === "webgpu") await provideWebGpu();
const backend = await initBackend(name === "webgpu" ? [webgpu()] : [name], threads ? { threads: Number(threads) } : {});

let state = 1;
/** Numbers in [−1, 1) by a linear congruential generator. */
const values = () =>
  Float32Array.from({ length: count * count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
const [a, b] = [values(), values()].map((data) => tensor(data, { shape: [count, count] }));

async function repeat() {
  const start = performance.now();
  const corner = scope(() =>
    slice(matmul(a, b), [
      [0, 1],
      [0, 1],
    ]),
  );
  await corner.data();
  corner.dispose();
  return performance.now() - start;
}

await repeat(); // Compiles the kernel.
const times = [];
for (let total = 0; times.length < Number(repeats) || total < 1000 * Number(minSeconds); total += times.at(-1)) times.push(await repeat());
times.sort((left, right) => left - right);
const ms = times[times.length >> 1];
const row = {
  name: `gemm-${count}`,
  ms,
  minMs: times[0],
  maxMs: times.at(-1),
  repeats: times.length,
  gflops: (2 * count ** 3) / (ms * 1e6),
};
process.stdout.write(`${JSON.stringify({ ...row, backend: backend.name })}\n`, () => process.exit());
