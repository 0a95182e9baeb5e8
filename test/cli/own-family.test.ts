/** The family of example 05 through the whole program: a module outside every project, used from several working directories. */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { benchStructured } from "../../src/bench/structured-benchmark.ts";
import { loadFamilies } from "../../src/experiment/node/load-family.ts";
import { defineFamily, kernels, LowRankLinear, ownSpec, whole } from "../../src/index.ts";
import { convolutionName, formatConvolution, parseConvolution, provideFamilies } from "../../src/structured/convolution-text.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/train/safetensors.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { jsonLines, resultsOf, runCli } from "./run-cli.ts";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const example = fileURLToPath(new URL("../../examples/11-your-own-layer.ts", import.meta.url));

let folder = "";
let elsewhere = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-own-family-"));
  elsewhere = join(folder, "elsewhere");
  await mkdir(elsewhere);
  await copyFile(example, join(folder, "own.ts"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled program in a process of its own. */
const separable = (line: string, cwd = folder): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...line.split(" ")], { cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });

const data = "--data synthetic --limit-train 12 --limit-test 6";
const recipe = `${data} --batch-size 4 --epochs 2 --backend wasm --threads 1 --no-progress`;

describe("a family of a module", () => {
  test("trains, and goes on bit for bit from another working directory", async () => {
    const conv = "--conv ./own.ts:ScaledLowRank_2";
    expect((await separable(`train ${recipe} ${conv} --run whole`)).stderr).toBe("");
    await separable(`train ${recipe} ${conv} --run parts --steps 2`);
    const resumed = await separable(`train --resume ${join(folder, "parts")} --family ${join(folder, "own.ts")} --no-progress`, elsewhere);
    expect(resumed.stderr).toBe("");
    expect(await resultsOf(join(folder, "parts"))).toEqual(await resultsOf(join(folder, "whole")));
    const config = JSON.parse(await readFile(join(folder, "whole", "config.json"), "utf8")) as { settings: { conv: string } };
    expect(config.settings.conv).toBe(`${join(folder, "own.ts")}:ScaledLowRank_2`);
    const evaluated = await separable(`eval --run ${join(folder, "whole")} --family ../own.ts --json --no-progress`, elsewhere);
    expect(jsonLines(evaluated.stdout)[0]).toMatchObject({ network: "wrn-10-1-ScaledLowRank_2", count: 6 });
  });

  test("is compressed to", async () => {
    await separable(`train ${recipe} --conv Conv --steps 1 --run dense`);
    const compressed = await separable(
      `compress --checkpoint dense --conv ./own.ts:ScaledLowRank_16 --out compressed --json --no-progress --threads 1`,
    );
    expect(compressed.stderr).toBe("");
    expect(jsonLines(compressed.stdout)[0]).toMatchObject({ compressed: "wrn-10-1-ScaledLowRank_16" });
    const [{ layers }] = jsonLines(compressed.stdout) as [{ layers: { structuredError: number }[] }];
    // A rank of 16 holds the 16×16 matrices of the first group.
    expect(layers[0]!.structuredError).toBeLessThan(1e-5);
  });

  test("is swept, with a hyper-parameter and with a budget, by a path relative to the sweep's file", async () => {
    const sweep = {
      settings: { data: "synthetic", limitTrain: 8, limitTest: 4, batchSize: 4, epochs: 1 },
      convolutions: ["./own.ts:ScaledLowRank"],
    };
    await writeFile(join(folder, "grid.json"), JSON.stringify({ ...sweep, budgets: [9000] }));
    const swept = await separable(
      `sweep ${join(folder, "grid.json")} --family ../own.ts --out swept --jobs 1 --threads 1 --json`,
      elsewhere,
    );
    expect(swept.stderr).toBe("");
    const [result] = jsonLines(await readFile(join(elsewhere, "swept", "results.jsonl"), "utf8"));
    expect(result).toMatchObject({ convolution: expect.stringMatching(/^ScaledLowRank_\d+$/) });
    expect(result!.parameters).toBeLessThanOrEqual(9000);
  });

  test("may print: its lines do not disturb a sweep, and what it logs does not stand among the results of a command", async () => {
    const lines = ['{"event":"epoch"}', '{"event":"epoch","epoch":"x"}', "null", "{", "5", "done\u001b[2J"];
    const source = await readFile(example, "utf8");
    const prints = lines.map((line) => `process.stdout.write(${JSON.stringify(`${line}\n`)});`).join("\n");
    await writeFile(join(folder, "loud.ts"), `${source}\n${prints}\nconsole.log("logged");\n`);
    await writeFile(join(folder, "logging.ts"), `${source}\nconsole.log("logged");\n`);
    const settings = { data: "synthetic", limitTrain: 8, limitTest: 4, batchSize: 4, epochs: 1 };
    const sweep = async (module: string): Promise<unknown> => {
      await writeFile(join(folder, `${module}.json`), JSON.stringify({ settings, convolutions: [`./${module}.ts:ScaledLowRank_2`] }));
      const options = `--family ./${module}.ts --out swept-${module} --jobs 1 --threads 1`;
      expect((await separable(`sweep ${module}.json ${options}`)).stderr).toContain("logged");
      const [{ seconds: _, run: __, ...numbers }] = jsonLines(await readFile(join(folder, `swept-${module}`, "results.jsonl"), "utf8")) as [
        Record<string, unknown>,
      ];
      return numbers;
    };
    expect(await sweep("loud")).toEqual(await sweep("logging"));
    const trained = await separable(`train ${recipe} --conv ./logging.ts:ScaledLowRank_2 --run logging --json`);
    expect(jsonLines(trained.stdout).map(({ event }) => event)).toEqual(["start", "epoch", "epoch", "finished"]);
    expect(trained.stderr).toContain("logged");
  });

  test("is inspected by its name, with a hyper-parameter, and counted", async () => {
    const inspected = await separable("inspect --layer ./own.ts:ScaledLowRank --rank 3 --in 8 --out 12 --no-out-file --json");
    const [report] = jsonLines(inspected.stdout) as [{ layer: string; parameters: number; reconstruction: { itself: number } }];
    expect(report).toMatchObject({ layer: "ScaledLowRank_3", parameters: 12 + 3 * (8 + 12) });
    expect(report.reconstruction.itself).toBeLessThan(1e-12);
    const counted = await separable("count --conv ./own.ts:ScaledLowRank_2 --json");
    const [{ layers }] = jsonLines(counted.stdout) as [{ layers: { kind: string; paperMultAdds: number }[] }];
    expect(layers.map(({ kind }) => kind)).toContain("ScaledLowRank");
  });

  test("whose module is gone is named in the error", async () => {
    await rename(join(folder, "own.ts"), join(folder, "moved.ts"));
    const { code, stderr } = await separable(`eval --run ${join(folder, "whole")} --family ../own.ts --no-progress`, elsewhere);
    await rename(join(folder, "moved.ts"), join(folder, "own.ts"));
    expect(code).not.toBe(0);
    expect(stderr).toContain(join(folder, "own.ts"));
  });

  test("is run by no run, checkpoint or grid, unless the command line names its module", async () => {
    // A module that tells when it is run. Its record is never needed.
    const witness = join(folder, "witness");
    await writeFile(join(folder, "spy.mjs"), `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(witness)}, "");\n`);
    const named = `${join(folder, "spy.mjs")}:ScaledLowRank_2`;
    await separable(`train ${recipe} --conv Conv --steps 1 --run plain`);
    const path = join(folder, "plain", "config.json");
    const config = JSON.parse(await readFile(path, "utf8")) as { settings: object };
    await writeFile(path, JSON.stringify({ ...config, settings: { ...config.settings, conv: named } }));
    const { tensors, metadata } = decodeSafetensors(await readFile(join(folder, "plain", "checkpoint.safetensors")), "plain");
    const recorded = JSON.parse(metadata.config!) as { settings: object };
    // A checkpoint of somebody who wants to be believed has the right digest.
    const { sha256: _, ...rest } = metadata;
    const forged = { ...rest, config: JSON.stringify({ ...recorded, settings: { ...recorded.settings, conv: named } }) };
    const sha256 = createHash("sha256").update(encodeSafetensors(tensors, forged)).digest("hex");
    const checkpoint = join(folder, "forged.safetensors");
    await writeFile(checkpoint, encodeSafetensors(tensors, { ...forged, sha256 }));
    await writeFile(join(folder, "spy.json"), JSON.stringify({ convolutions: ["./spy.mjs:ScaledLowRank_2"] }));
    const at = (name: string): string => join(folder, name);
    for (const line of [
      `train --resume ${at("plain")}`,
      `report ${at("plain")} --out ${at("page")}`,
      `sweep ${at("spy.json")} --dry-run`,
      `train ${recipe} --conv Conv --teacher ${checkpoint} --run ${at("taught")}`,
      `train ${recipe} --init-from ${checkpoint} --run ${at("tuned")}`,
      `eval ${checkpoint}`,
      `inspect --checkpoint ${checkpoint}`,
      `compress ${checkpoint} --out ${at("small")} --conv Sep`,
      `predict ${checkpoint} ${at("absent.png")}`,
      `convert ${checkpoint} ${at("forged.npz")}`,
    ]) {
      const { code, stderr } = await runCli(line.split(" "));
      expect([line, code]).toEqual([line, 1]);
      expect(stderr, line).toContain(`names a module, which is a program; if you trust this program, add --family ${at("spy.mjs")}`);
    }
    expect(await readdir(folder)).not.toContain("witness");
    // The command line may name it, and it is run.
    await separable("train --resume plain --family spy.mjs");
    expect(await readdir(folder)).toContain("witness");
  }, 120_000);

  test("is refused where the text comes from elsewhere", async () => {
    await expect(loadFamilies("./own.ts:ScaledLowRank_2", { modules: "provided" })).rejects.toThrow(
      /"\.\/own\.ts:ScaledLowRank_2" names a module, which is a program; .* add --family /,
    );
    expect(await loadFamilies("TensorTrain_0.5", { modules: "provided" })).toBe("TensorTrain_0.5");
  });

  test("must be an export of the module", async () => {
    await writeFile(join(folder, "empty.mjs"), "export const nothing = 1;\n");
    const { stderr } = await separable("inspect --layer ./empty.mjs:Nothing --in 4 --out 4 --no-out-file");
    expect(stderr).toMatch(/empty\.mjs must export the record of a family, made with defineFamily/);
  });
});

describe("a record of this process", () => {
  onReferenceBackend();

  const family = defineFamily({
    kind: "Tied",
    parameters: [whole("rank"), whole("times", { default: 2 })],
    examples: { inspect: { kind: "Tied", rank: 1, times: 2 } },
    linear: ({ rank, times }, inFeatures, outFeatures, build, options) =>
      new LowRankLinear(inFeatures, outFeatures, { rank: rank * times }, build, options),
  });

  test("is read and written as a built-in family is", () => {
    provideFamilies("/a:b/tied.ts", [family as never]);
    for (const [text, name] of [
      ["/a:b/tied.ts:Tied_3", "Tied_3"],
      ["/a:b/tied.ts:Tied_3_2", "Tied_3"],
      ["/a:b/tied.ts:Tied_3_4", "Tied_3_4"],
    ] as const) {
      const spec = parseConvolution(text);
      expect(convolutionName(spec)).toBe(name);
      expect(formatConvolution(spec)).toBe(`/a:b/tied.ts:${name}`);
    }
    expect(convolutionName(ownSpec(family, { kind: "Tied", rank: 1, times: 2 }))).toBe("Tied_1");
    expect(() => parseConvolution("/a:b/tied.ts:Tied_0")).toThrow(/takes Tied as Tied_<rank>\[_<times>\] with numbers above 0/);
    expect(() => parseConvolution("/a:b/tied.ts:Loose_1")).toThrow(
      /must be one of Tied_<rank>\[_<times>\] of \/a:b\/tied\.ts, got "Loose_1"/,
    );
    expect(() => parseConvolution("/c/absent.ts:Tied_1")).toThrow(/the module \/c\/absent\.ts must be loaded/);
  });

  test("is measured by the structured benchmark", async () => {
    provideFamilies("/a/tied.ts", [family as never]);
    const shape = { inChannels: 8, outChannels: 12, size: 2, batch: 1 };
    const [row] = await benchStructured({ rounds: 1, specs: ["/a/tied.ts:Tied_2"], shapes: [shape] });
    expect(row).toMatchObject({ convolution: "Tied_2", multiplyAdds: 4 * (8 + 12), backend: kernels().name });
  });
});
