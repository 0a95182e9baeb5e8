/** The comparison of libraries, tested on fake ones: only a library whose results are right is timed. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { withPart } from "../../docs/.vitepress/figures/markdown-tables.ts";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { figuresMarkdown, torchMarkdown } from "./figures.ts";
import { checkAgreement } from "./peers/agreement.ts";
import { compare } from "./peers/compare.ts";
import type { Contender } from "./peers/contender.ts";

beforeEach(() => useBackend(createReferenceBackend()));

const vectors = fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 20 });

describe("checkAgreement", () => {
  it("accepts results that differ by rounding errors relative to the largest value", () => {
    fc.assert(
      fc.property(fc.array(vectors, { minLength: 1 }), fc.double({ min: -1e-4, max: 1e-4, noNaN: true }), (expected, error) => {
        const close = expected.map((values) => values.map((v) => v + error * Math.max(...values.map(Math.abs))));
        expect(() => checkAgreement(close, expected)).not.toThrow();
      }),
    );
  });

  it("throws for an element that is wrong, NaN or missing, and for a missing result", () => {
    fc.assert(
      fc.property(vectors, fc.nat(), fc.constantFrom(0.01, -1, Number.NaN, Infinity), (expected, place, error) => {
        const wrong = [...expected];
        const at = place % expected.length;
        wrong[at] = expected[at]! + error * Math.max(1, ...expected.map(Math.abs));
        expect(() => checkAgreement([expected, wrong], [expected, expected])).toThrow(/result 1 is off by/);
        expect(() => checkAgreement([expected.slice(1)], [expected])).toThrow(/elements instead of/);
        expect(() => checkAgreement([], [expected])).toThrow(/0 results instead of 1/);
      }),
    );
  });
});

interface Behaviour {
  readonly result: number;
  readonly slow: boolean;
  readonly throws: boolean;
}

/** A fake library whose result is always `result`, and the numbers of calls to it. */
function fakeLibrary(name: string, { result, slow, throws }: Behaviour): Contender & { calls: { repeats: number; disposed: number } } {
  const calls = { repeats: 0, disposed: 0 };
  return {
    name,
    version: "1.0.0",
    calls,
    slow: () => (slow ? "an hour" : undefined),
    activate: async () => undefined,
    prepare: async () => {
      if (throws) throw new Error("no such kernel");
      return {
        repeat: async () => void calls.repeats++,
        results: async () => [[result]],
        dispose: () => void calls.disposed++,
      };
    },
  };
}

const behaviours = fc.record({ result: fc.constantFrom(1, 2), slow: fc.boolean(), throws: fc.boolean() });
const benchmark = { name: "gemm-2", problem: { kind: "gemm", size: 2 } } as const;

describe("compare", () => {
  it("has a row for each library in order: times for those that agree with the first, and a reason for the others", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(behaviours, { maxLength: 4 }), fc.boolean(), async (rest, slow) => {
        const all = [{ result: 1, slow: false, throws: false }, ...rest];
        const contenders = all.map((behaviour, i) => fakeLibrary(`library ${i}`, behaviour));
        const rows = await compare(benchmark, contenders, { rounds: 2, seconds: 1e-4, slow });
        expect(rows.map(({ contender }) => contender)).toEqual(contenders.map(({ name }) => name));
        all.forEach((behaviour, i) => {
          const { repeats, disposed } = contenders[i]!.calls;
          if (behaviour.slow && !slow) expect(rows[i]).toMatchObject({ skipped: "an hour; --slow measures it" });
          else if (behaviour.throws) expect(rows[i]).toMatchObject({ error: "no such kernel" });
          else if (behaviour.result !== 1) expect(rows[i]).toMatchObject({ error: expect.stringMatching(/off by/) });
          else {
            expect(rows[i]).toMatchObject({ name: "gemm-2", gflops: expect.any(Number), ratio: expect.any(Number) });
            expect(repeats).toBeGreaterThanOrEqual(2);
            expect(disposed).toBe(1);
            return;
          }
          expect(repeats).toBe(0);
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe("figures", () => {
  const machine = { cpu: "A CPU", cores: 2, platform: "any", node: "v1", v8: "2", simd: "none" };
  const row = {
    name: "gemm-2",
    backend: "wasm",
    minMs: 1,
    maxMs: 9,
    repeats: 3,
    peakBytes: 1e6,
    processPeakBytes: 2e6,
    multiplyAdds: 8,
    machine,
  };

  it("contain the machine, the note, every figure, and the libraries that cannot run a benchmark", () => {
    const markdown = figuresMarkdown({
      bench: [
        { ...row, threads: 1, ms: 6, gflops: 10 },
        { ...row, threads: 2, ms: 4, gflops: 15 },
      ],
      peers: {
        date: "2000-01-01",
        threads: 1,
        machine,
        versions: { separable: "1", other: "2", third: "3" },
        rows: [
          { name: "gemm-2", contender: "separable", ms: 6, minMs: 6, maxMs: 6, repeats: 1, gflops: 10, ratio: 1 },
          { name: "gemm-2", contender: "other", ms: 15, minMs: 15, maxMs: 15, repeats: 1, gflops: 4, ratio: 2.5 },
          { name: "gemm-2", contender: "third", error: "no such kernel" },
        ],
      },
      date: "2000-01-02",
      note: "Shared.",
    });
    for (const part of [
      "Measured 2000-01-02 on A CPU, 2 cores",
      "Shared.",
      "| gemm-2 | wasm | 2 | 4.00 | 15.0 GFLOP/s | 1.50 × | 1.0 MB |",
      "| gemm-2 | 6.00 (10.0 GFLOP/s) | 15.0 (2.50 ×) | cannot |",
      "- third cannot do gemm-2: no such kernel",
    ])
      expect(markdown).toContain(part);
  });

  it("contain what a structured network executes, and its ratios, where they were measured", () => {
    const step = { ...row, name: "wrn-16-2-Sep-step-b32", threads: 1, ms: 5, gflops: 1, multiplyAdds: 15.1e6, overConv: 0.31 };
    const markdown = figuresMarkdown({ bench: [step], peers: undefined, date: "2000-01-02", note: "" });
    expect(markdown).toContain("| wrn-16-2-Sep-step-b32 | wasm | 1 | 5.00 | 1.0 GFLOP/s |  | 1.0 MB | 15.1 M | 0.31 × |  |");
  });

  it("contain the ratio to PyTorch with its extremes, and a dash where PyTorch has no time", () => {
    const timing = (medianMs: number) => ({ medianMs, minMs: 1, maxMs: 99, repeats: 3 });
    const markdown = torchMarkdown(
      {
        date: "2000-01-03",
        machine: { ...machine, version: "7", instructions: ["avx2", "fma"] },
        torch: { torch: "1.13", python: "3", oneDNN: true, capability: "AVX2" },
        rounds: 5,
        rows: [
          { name: "gemm-2", threads: 1, ours: timing(6), other: { timing: timing(12), ratio: { median: 0.5, min: 0.4, max: 0.75 } } },
          { name: "gemm-2", threads: 2, ours: timing(3), other: { error: "no module" } },
        ],
      },
      "Shared.",
    );
    for (const part of [
      "Measured 2000-01-03 on A CPU, 2 cores",
      "avx2, fma. separable 7, SIMD: none. PyTorch 1.13 on AVX2, with oneDNN. Medians of 5 rounds. Shared.",
      "| gemm-2 | 1 | 6.00 | 12.0 | 0.50 (0.40–0.75) |",
      "| gemm-2 | 2 | 3.00 | – | – |",
    ])
      expect(markdown).toContain(part);
  });

  it("replace only the text between the marks, and replace it by the same text a second time", () => {
    const mark = { begin: "<!-- figures: begin -->", end: "<!-- figures: end -->" };
    const plain = fc.string().filter((text) => !text.includes("<!--"));
    fc.assert(
      fc.property(plain, plain, plain, plain, (before, old, figures, after) => {
        const page = withPart(`${before}${mark.begin}${old}${mark.end}${after}`, "figures", figures);
        expect(page).toBe(`${before}${mark.begin}\n\n${figures.trimEnd()}\n\n${mark.end}${after}`);
        expect(withPart(page, "figures", figures)).toBe(page);
      }),
    );
    expect(() => withPart("no marks", "figures", "")).toThrow(/must have the comments/);
  });
});
