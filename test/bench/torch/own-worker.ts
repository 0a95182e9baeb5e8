/**
 * This library's side of `npm run bench:torch`, a process of its own, so that any Node can run it. It answers the requests that
 * `torch_worker.py` describes. The problem alone tells it its numbers.
 */

import { createInterface } from "node:readline";
import { kernels } from "../../../src/backend/active.ts";
import { describeMachine } from "../../../src/bench/machine.ts";
import { timeOnce } from "../../../src/bench/measure.ts";
import type { Run } from "../peers/contender.ts";
import { separable } from "../peers/separable.ts";
import { encodeFloats, type Request } from "./protocol.ts";

const ours = await separable(Number(process.argv[2]));
let run: Run | undefined;

async function answer(request: Request): Promise<object> {
  switch (request.do) {
    case "facts":
      return { ...describeMachine(kernels()), threads: kernels().threads, version: ours.version };
    case "prepare":
      run?.dispose();
      run = await ours.prepare(request.problem);
      return { results: (await run.results()).map(encodeFloats) };
    case "turn": {
      const times: number[] = [];
      for (let spent = 0; times.length === 0 || spent < request.milliseconds; spent += times.at(-1)!)
        times.push(await timeOnce(run!.repeat));
      return { times };
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const result = await answer(JSON.parse(line) as Request).catch((error: Error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
process.exit();
