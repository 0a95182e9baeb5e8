/** The structured benchmark on sizes that take no time: what it says of paths, counts and crossovers, not how fast they are. */

import { expect, test } from "vitest";
import { benchStructured } from "../../src/bench/structured-benchmark.ts";
import { Random } from "../../src/core/random.ts";
import { memory } from "../../src/index.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory, createLinear } from "../../src/structured/create-convolution.ts";
import { SeparableConvolution } from "../../src/structured/separable.ts";
import { structuredBuildsMarkdown, structuredMarkdown } from "../bench/figures.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): { random: Random } => ({ random: new Random(0) });

test("every path that exists is timed, counted and released; paths that don't are left out", async () => {
  const shape = { inChannels: 16, outChannels: 20, size: 3, batch: 2 };
  const specs = ["Shuffle_4", "TensorTrain_0.44", "SepHashed_0.2"];
  const names: string[] = [];
  const rows = await benchStructured({
    rounds: 1,
    specs,
    shapes: [shape],
    onProgress: (_, total, name) => names.push(`${name} of ${total}`),
  });
  expect(names).toEqual(specs.map((spec) => `${spec} 16→20 of 3`));
  for (const [i, row] of rows.entries()) {
    expect(row.convolution).toBe(specs[i]);
    const map = createLinear(parseConvolution(row.convolution), 16, 20, build());
    const factorizes = map.paths().includes("factorized");
    expect(row.multiplyAdds).toBe(factorizes ? map.cost("factorized").multiplyAdds : 16 * 20);
    expect(row.times.factorized === null).toBe(!factorizes);
    expect(row.crossover === null).toBe(!factorizes);
    expect(row.throughput === null).toBe(!factorizes);
    const layer = convolutionFactory(parseConvolution(row.convolution))({ inChannels: 16, outChannels: 20, kernel: 3 }, build());
    expect(row.auto).toEqual((layer instanceof SeparableConvolution ? layer : map).choose(2 * 9));
    layer.dispose();
    for (const times of [row.times.sep, row.times.dense, row.times.auto])
      expect(Math.min(times.forward, times.forwardBackward)).toBeGreaterThan(0);
    map.dispose();
  }
  expect(rows.map(({ times }) => times.factorized !== null)).toContain(false);
  expect(memory().storages).toBe(0);
  const machine = { cpu: "a machine", cores: 1, platform: "here", node: "v0", v8: "0", simd: "none" };
  const page = structuredMarkdown(rows.map((row) => ({ ...row, machine })) as never, "today", "Nothing else ran.");
  for (const spec of specs) expect(page).toContain(`| ${spec} |`);
  expect(page).toContain("### 16 → 20 at 3², batch 2");
});

test("the table of builds counts the convolutions below half of the multiply-adds where auto is faster than Sep", () => {
  const row = (convolution: string, share: number, forward: number, forwardBackward: number) => ({
    ...{ convolution, share, inChannels: 16, outChannels: 16, size: 8, batch: 2 },
    times: { sep: { forward: 2, forwardBackward: 4 }, auto: { forward, forwardBackward } },
  });
  const rows = [row("A", 0.1, 1, 5), row("B", 0.49, 3, 3), row("C", 0.2, 1.8, 2), row("D", 0.5, 100, 100)];
  expect(
    structuredBuildsMarkdown({ wide: rows as never })
      .split("\n")
      .at(2),
  ).toBe("| wide | 16 → 16 at 8², batch 2 | 3 | 2 | 0.90 | 1.50 (B) | 2 | 0.75 | 1.25 (A) |");
});
