/** The comparison with PyTorch, tested on fake workers: who runs when, what the figures are, and what an error says. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { findPython, type PythonProbe, vectorInstructions } from "./torch/machine.ts";
import { decodeFloats, encodeFloats, type Request, startWorker, type Worker } from "./torch/protocol.ts";
import { race } from "./torch/race.ts";

const request = { do: "prepare", problem: { kind: "gemm", size: 2 } } as const;

/** A worker with these times, one list for each turn, which writes its turns into the log. */
function fakeWorker(name: string, turns: readonly (readonly number[])[], log: string[], result: number[] | Error = [1]): Worker {
  let turn = 0;
  return {
    ask: async <Answer>(asked: Request) => {
      if (asked.do === "turn") {
        log.push(name);
        return { times: turns[turn++] } as Answer;
      }
      if (result instanceof Error) throw result;
      return { results: [encodeFloats(result)] } as Answer;
    },
    stop: () => {},
  };
}

const times = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 5 });
const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.floor(sorted.length / 2)]!) / 2;
};

describe("race", () => {
  it("alternates, leaves out the round that warms up, and gives medians and the ratio of each round", () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(times, times), { minLength: 2, maxLength: 6 }), async (rounds) => {
        const log: string[] = [];
        const own = fakeWorker(
          "own",
          rounds.map(([first]) => first),
          log,
        );
        const other = fakeWorker(
          "other",
          rounds.map(([, second]) => second),
          log,
        );
        const result = await race([own, other], request, { rounds: rounds.length - 1, turnMilliseconds: 1 });
        expect(log).toEqual(rounds.flatMap((_, i) => (i % 2 === 0 ? ["own", "other"] : ["other", "own"])));
        const counted = rounds.slice(1);
        expect(result.ours.medianMs).toBe(median(counted.flatMap(([first]) => first)));
        if ("error" in result.other) throw new Error(result.other.error);
        expect(result.other.timing.medianMs).toBe(median(counted.flatMap(([, second]) => second)));
        const ratios = counted.map(([first, second]) => median(first) / median(second));
        expect(result.other.ratio).toEqual({ median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) });
      }),
    ));

  it.each([
    ["gives other results", [2], /off by/],
    ["cannot compute the problem", new Error("no plain module of Monarch"), /no plain module of Monarch/],
  ] as const)("times ours alone, and tells why, when the other %s", async (_, result, message) => {
    const log: string[] = [];
    const outcome = await race([fakeWorker("own", [[1], [5]], log), fakeWorker("other", [], log, result as number[] | Error)], request, {
      rounds: 1,
      turnMilliseconds: 1,
    });
    expect(log).toEqual(["own", "own"]);
    expect(outcome.ours.medianMs).toBe(5);
    expect(outcome.other).toEqual({ error: expect.stringMatching(message) });
  });
});

describe("findPython", () => {
  const having =
    (...names: string[]): PythonProbe =>
    (python) =>
      names.includes(python) ? "has torch" : { reason: "ENOENT" };

  it("takes the first that has PyTorch, and names the reason of each where none has", () => {
    expect(findPython(["a", "b", "c"], having("c", "b"))).toBe("b");
    expect(() => findPython(["a", "b"], having())).toThrow(ConfigError);
    expect(() => findPython(["a", "b"], having())).toThrow(/got a \(ENOENT\), b \(ENOENT\); install one.*apt-get install python3-torch/);
  });

  it("asks the program itself", () => {
    expect(() => findPython(["no-such-python"])).toThrow(/no-such-python \(ENOENT\)/);
  });
});

describe("vectorInstructions", () => {
  it("finds the vector instructions among the flags, and none where there are no flags", () => {
    expect(vectorInstructions("model name : x\nflags\t\t: fpu sse avx avx2 fma avx512f\nbugs : y")).toEqual([
      "avx",
      "avx2",
      "fma",
      "avx512f",
    ]);
    expect(vectorInstructions("flags : avx512fx")).toEqual([]);
    expect(vectorInstructions("")).toEqual([]);
  });
});

describe("a worker", () => {
  it("answers line by line, passes on an error, and says when it has ended", async () => {
    const echo = `require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const asked = JSON.parse(line);
      console.log(JSON.stringify(asked.do === "facts" ? { error: "no facts" } : { times: [asked.milliseconds] }));
    });`;
    const worker = startWorker(process.execPath, ["-e", echo]);
    expect(await worker.ask({ do: "turn", milliseconds: 3 })).toEqual({ times: [3] });
    await expect(worker.ask({ do: "facts" })).rejects.toThrow("no facts");
    expect(await worker.ask({ do: "turn", milliseconds: 4 })).toEqual({ times: [4] });
    worker.stop();
    await expect(worker.ask({ do: "facts" })).rejects.toThrow(/must answer, got its end \(exit code 0\)/);
  });

  it("that does not start is named", async () => {
    await expect(startWorker("no-such-program", []).ask({ do: "facts" })).rejects.toThrow(/no-such-program must start, got/);
  });

  it("gets every float32 as it is", () => {
    fc.assert(
      fc.property(fc.float32Array(), (values) => {
        expect(decodeFloats(encodeFloats(values))).toEqual(values);
      }),
    );
  });
});
