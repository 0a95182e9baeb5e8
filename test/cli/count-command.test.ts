import { describe, expect, test } from "vitest";
import { jsonLines, runCli } from "./run-cli.ts";

describe("count", () => {
  test("gives the totals of the paper, and layers that add up to them", async () => {
    const { code, stdout, stderr } = await runCli("count --network wrn --depth 28 --width 10 --conv Shuffle_4 --json".split(" "));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [report, ...more] = jsonLines(stdout) as [Record<string, number> & { layers: Record<string, number>[] }];
    expect(more).toEqual([]);
    expect(report).toMatchObject({
      network: "wrn-28-10-Shuffle_4",
      params: 823_674,
      paperMultAdds: 117_201_162,
      compressionRatio: 823_674 / 36_479_194,
      groups: { compressed: 540_320, full: 283_354 },
    });
    for (const name of ["params", "paperMultAdds", "multAdds", "activationBytes"])
      expect(
        report.layers.reduce((sum, layer) => sum + layer[name]!, 0),
        name,
      ).toBe(report[name]);
    expect(report.layers[0]).toMatchObject({ name: "conv1", kind: "Conv2d", params: 432, output: [16, 32, 32] });
  });

  test("takes classes and the size of the image", async () => {
    const of = async (options: string): Promise<Record<string, number>> =>
      jsonLines((await runCli(`count --json ${options}`.split(" "))).stdout)[0] as Record<string, number>;
    const [small, wide, large] = [await of("--classes 10"), await of("--classes 100"), await of("--input 64")];
    expect(wide!.params! - small!.params!).toBe(90 * 65);
    expect(large!.params).toBe(small!.params);
    expect(large!.activationBytes! - 40).toBe(4 * (small!.activationBytes! - 40));
  });

  test("a mode changes the executed multiply-adds, and not those of the paper's convention", async () => {
    const of = async (mode: string): Promise<Record<string, number>> =>
      jsonLines((await runCli(`count --conv Generic_0.25 --json --mode ${mode}`.split(" "))).stdout)[0] as Record<string, number>;
    const [factorized, dense] = [await of("factorized"), await of("dense")];
    expect(factorized.paperMultAdds).toBe(dense.paperMultAdds);
    expect(factorized.multAdds).toBeLessThan(dense.multAdds!);
  });

  test("prints a table", async () => {
    const { stdout } = await runCli("count --depth 10 --width 1 --conv Shuffle_4".split(" "));
    expect(stdout).toMatch(/^wrn-10-1-Shuffle_4, 10 classes, one image of 3×32×32$/m);
    expect(stdout).toMatch(/^ {2}block3\.0\.layer\.0\.conv2 +ShuffleConvolution +64×8×8 +656 +41,984 +41,984$/m);
    expect(stdout).toMatch(/^parameters +5,810, 7\.5 % of the same network with Conv$/m);
    expect(stdout).toMatch(/^weight decay +4,122 in full, 1,688 scaled by the compression ratio$/m);
    expect(stdout).toMatch(/^mult-adds +1,137,290 by the paper's convention, [\d,]+ executed here$/m);
  });

  test.each([
    [
      "--conv ACDC_1",
      /^separable: ConfigError: count: --conv takes ACDC as ACDC\[_<factors \+ 1>\] with an integer from 2 to 4097 .*, got "ACDC_1"\n$/,
    ],
    ["--conv Generic_0.03", /^separable: ConfigError: Generic: .* got ⌊0\.03·16⌋ = 0; raise the scale\n$/],
    ["--network vgg", /^separable: ConfigError: count: --network must be .*, got "vgg"\n$/],
    ["--depth 11", /^separable: ConfigError: count: --depth must be 6n \+ 4 .*, got "11"\n$/],
    ["--width 0", /^separable: ConfigError: count: --width must be .*, got "0"\n$/],
    ["--classes 0", /^separable: ConfigError: count: --classes must be .*, got "0"\n$/],
    ["--input 0", /^separable: ConfigError: count: --input must be .*, got "0"\n$/],
    ["--convolution Sep", /^separable: ConfigError: unknown option '--convolution'.*\n$/],
  ])("refuses %s in one line", async (options, message) => {
    const { code, stdout, stderr } = await runCli(["count", ...options.split(" ")]);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  });
});
