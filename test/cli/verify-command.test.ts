/** `separable verify` passes what is right, whatever its shapes, and finds whatever is wrong. */

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { Parameter, type State } from "../../src/nn/state.ts";
import { normal } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { formatConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray } from "../../src/train/safetensors.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";
import { type CliResult, jsonLines, runCli } from "./run-cli.ts";

const golden = fileURLToPath(new URL("../fixtures/", import.meta.url));
type Json = Record<string, unknown>;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-verify-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => useBackend(undefined));

const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(join(golden, file), "utf8"));

let folders = 0;
/** A folder of fixtures with these files. */
async function fixtures(files: Readonly<Record<string, unknown>>): Promise<string> {
  const path = join(folder, String(folders++));
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content));
  }
  return path;
}

const verify = (path: string, ...options: string[]): Promise<CliResult> => runCli(["verify", "--fixtures", path, ...options]);

interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly worst: Readonly<Record<string, { relativeError: number; case: string; tensor: string }>>;
  readonly failures: readonly { case: string; reason: string }[];
}

async function summaryOf(path: string): Promise<Summary & { readonly code: number }> {
  const { code, stdout } = await verify(path, "--json");
  return { ...(jsonLines(stdout)[0] as unknown as Summary), code };
}

const count = { network: "WideResNet", conv: "Sep", depth: 16, width: 2, num_classes: 7, input_hw: 48 };
const decomposition = async (): Promise<Json> => ((await readJson("decomp.json")) as Json[]).find(({ tucker }) => tucker !== undefined)!;

/** One block of the golden ones: its entry and its tensors. */
async function block(layer: string, kernel: number): Promise<{ entry: Json; tensors: Map<string, NamedArray> }> {
  const { files } = (await readJson("blocks/index.json")) as { files: Json[] };
  const entry = files.find((file) => file.layer === layer && file.kernel_size === kernel)!;
  const bytes = await readFile(join(golden, "blocks", String(entry.file)));
  return { entry, tensors: new Map(decodeSafetensors(bytes, layer).tensors) };
}

const blockFolder = (entry: Json, tensors: ReadonlyMap<string, NamedArray>): Promise<string> =>
  fixtures({ "blocks/index.json": { files: [entry] }, [`blocks/${entry.file}`]: encodeSafetensors(tensors) });

describe("counts", () => {
  test("of networks as they are pass; the line names the case", async () => {
    const rows = ((await readJson("counts.json")) as Json[]).filter(({ depth }) => depth === 10);
    const { code, stdout } = await verify(await fixtures({ "counts.json": rows }));
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(rows.length + 1);
    expect(lines[0]).toBe("passed  count WideResNet-10-1 Conv, 10 classes, 32×32");
    expect(lines.find((line) => line.includes("Generic_0.03"))).toMatch(/^passed .*: refused: ConfigError: Generic: .*raise the scale$/);
    expect(lines.find((line) => line.includes("CP_0.50"))).toMatch(
      /^passed .*: the paper's code has a CP layer but refuses it in networks/,
    );
    expect(JSON.parse(lines.at(-1)!)).toEqual({ passed: rows.length, failed: 0, skipped: 0, worst: {}, failures: [] });
    expect(code).toBe(0);
  });

  test.each(["params", "mult_adds", "compression_ratio", "group_lowrank_params", "group_other_params"])(
    "a wrong %s fails",
    async (field) => {
      const row = ((await readJson("counts.json")) as Json[]).find(({ conv }) => conv === "Shuffle_4")!;
      const wrong = { ...row, [field]: (row[field] as number) * (1 + 1e-6) };
      const { code, failed, failures } = await summaryOf(await fixtures({ "counts.json": [row, wrong] }));
      expect({ code, failed }).toEqual({ code: 1, failed: 1 });
      expect(failures[0]!.reason).toMatch(new RegExp(`^${field} is .*, expected `));
    },
  );

  test("an error that we do not make is a failure, a network that is not built is skipped", async () => {
    const rows = [
      { ...count, error: "ValueError: no" },
      { ...count, network: "VGG", params: 1 },
    ];
    const { stdout, code } = await verify(await fixtures({ "counts.json": rows }));
    const [first, second, summary] = stdout.trim().split("\n");
    expect(first).toMatch(
      /^failed {2}count WideResNet-16-2 Sep, 7 classes, 48×48: the paper's code raises here, and this library does not$/,
    );
    expect(second).toMatch(/^skipped count VGG-16-2 .*: VGG is none of WideResNet, /);
    expect(JSON.parse(summary!)).toMatchObject({ passed: 0, failed: 1, skipped: 1 });
    expect(code).toBe(1);
  });

  test("a layer that cannot stand in the network fails with our own error", async () => {
    const { failures } = await summaryOf(await fixtures({ "counts.json": [{ ...count, conv: "Generic_0.001", params: 1 }] }));
    expect(failures[0]!.reason).toMatch(/^ConfigError: Generic: /);
  });
});

describe("decompositions", () => {
  test("pass as they are; any number that is another fails", async () => {
    const right = await decomposition();
    const wrong = ["dims", "ranks_tt", "ranks_tucker"].map((name) => ({ ...right, [name]: [...(right[name] as number[]).slice(1), 99] }));
    const more = ["tt", "tucker"].map((name) => ({ ...right, [name]: { ...(right[name] as Json), params: 1 } }));
    const { passed, failures } = await summaryOf(await fixtures({ "decomp.json": [right, ...wrong, ...more, { ...right, ranks_cp: 99 }] }));
    expect(passed).toBe(1);
    expect(failures.map(({ reason }) => reason.split(" is ")[0])).toEqual([
      "dims",
      "ranks_tt",
      "ranks_tucker",
      "parameters of the train",
      "parameters of Tucker",
      "ranks_cp",
    ]);
  });
});

describe("blocks", () => {
  test("all of the paper's pass, in both precisions", async () => {
    const path = await fixtures({});
    await cp(join(golden, "blocks"), join(path, "blocks"), { recursive: true });
    const { passed, failed, worst, code } = await summaryOf(path);
    expect({ failed, code }).toEqual({ failed: 0, code: 0 });
    expect(passed).toBeGreaterThan(40);
    expect(worst.float64!.relativeError).toBeLessThan(1e-13);
    expect(worst.float32!.relativeError).toBeGreaterThan(1e-9);
  });

  test.each(structuredKinds)("of other sizes pass: %s", (kind) =>
    fc.assert(
      fc.asyncProperty(structuredConfigurations(kind), fc.constantFrom(1, 3), fc.constantFrom(1, 2), fc.boolean(), async (...drawn) => {
        const [{ spec, inFeatures, outFeatures, seed }, kernel, stride, named] = drawn;
        useBackend(createReferenceBackend());
        const bias = kind === "Sep" && named;
        const site = { inChannels: inFeatures, outChannels: outFeatures, kernel, stride, padding: 1, bias };
        const layer = convolutionFactory(spec, { init: "variance-preserving" })(site, { random: new Random(seed), dtype: "float64" });
        const x = normal([2, inFeatures, 5, 4], new Random(seed), { dtype: "float64" });
        const parameters = [...layer.parameters()];
        const y = layer.forward(x, { training: false });
        const gradient = gradients(sum(multiply(y, y)), [x, ...parameters.map(([, { value }]) => value)]);
        const named64: [string, State][] = [...layer.state()].map(([name, state]) => [
          `${state instanceof Parameter ? "param" : "buffer"}/${name}`,
          state,
        ]);
        const tensors = new Map<string, NamedArray>();
        for (const [name, state] of named64) tensors.set(name, { shape: state.shape, data: await state.read() });
        const results: [string, Tensor][] = [
          ["x", x],
          ["y64", y],
          ["grad_x64", gradient[0]!],
        ];
        for (const [i, [name]] of parameters.entries()) results.push([`grad64/${name}`, gradient[i + 1]!]);
        for (const [name, tensor] of results) tensors.set(name, { shape: tensor.shape, data: await tensor.data() });
        // A budget need not be in the name of a layer; a word after the numbers says nothing of its structure.
        const text = formatConvolution(spec);
        const unnamed = kind === "HashedSeparable" && !named ? kind : text.includes("_") && named ? `${text}wide` : text;
        const sizes = {
          in_channels: inFeatures,
          out_channels: outFeatures,
          kernel_size: kernel,
          stride,
          padding: 1,
          dilation: 1,
          bias_arg: bias,
        };
        const { passed, failures, worst } = await summaryOf(
          await blockFolder({ layer: unnamed, file: "a.safetensors", ...sizes }, tensors),
        );
        expect({ passed, failures }).toEqual({ passed: 1, failures: [] });
        expect(worst.float64!.relativeError).toBeLessThan(1e-10);
      }),
      { numRuns: 10 },
    ),
  );

  test("a number of any tensor that is off by more than allowed fails, and is named", async () => {
    const { entry, tensors } = await block("TensorTrain_0.5", 3);
    const outputs = [...tensors.keys()].filter((name) => /^(y|grad|effective|kernel)/.test(name));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...outputs), fc.nat(), async (name, seed) => {
        const { shape, data } = tensors.get(name)!;
        const scale = Array.from(data).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        const off = data.slice();
        off[seed % off.length]! += scale * (data instanceof Float64Array ? 3e-9 : 3e-4);
        const { failed, failures } = await summaryOf(await blockFolder(entry, new Map(tensors).set(name, { shape, data: off })));
        expect(failed).toBe(1);
        expect(failures[0]!.reason).toContain(`${name} is off by `);
      }),
      { numRuns: 15 },
    );
  });

  test("a parameter that the layer has not, a gradient too few and another shape fail", async () => {
    const { entry, tensors } = await block("Sep", 1);
    const reasonOf = async (change: (tensors: Map<string, NamedArray>) => unknown): Promise<string> => {
      const changed = new Map(tensors);
      change(changed);
      return (await summaryOf(await blockFolder(entry, changed))).failures[0]!.reason;
    };
    expect(await reasonOf((t) => t.set("param/extra", t.get("x")!))).toMatch(/StateError: loadState: .* extra is unexpected/);
    expect(await reasonOf((t) => t.set("grad64/extra", t.get("x")!))).toMatch(/^names of the gradients is /);
    expect(await reasonOf((t) => t.set("y", { shape: [t.get("y")!.data.length], data: t.get("y")!.data }))).toMatch(/^y is \[2,16,8,8\], /);
    expect(await reasonOf((t) => t.get("y64")!.data.fill(Number.NaN))).toMatch(/^y64 is off by Infinity/);
  });
});

describe("training", () => {
  const oneCase = async (change: (entry: Json) => Json, wrong?: string): Promise<string> => {
    const index = (await readJson("wrn_step/index.json")) as Json & { cases: Json[] };
    const entry = index.cases.find(({ conv }) => conv === "SepHashed_0.20")!;
    const bytes = await readFile(join(golden, "wrn_step", String(entry.file)));
    const tensors = new Map(decodeSafetensors(bytes, "golden").tensors);
    // One precision is enough of a test of the command, and wasm computes it in a second.
    for (const name of [...tensors.keys()]) if (/64/.test(name.split("/")[0]!)) tensors.delete(name);
    if (wrong !== undefined) tensors.set(wrong, { shape: tensors.get(wrong)!.shape, data: tensors.get(wrong)!.data.map((v) => v * 1.001) });
    return fixtures({
      "wrn_step/index.json": { ...index, lr_schedules: undefined, student: undefined, cases: [change(entry)] },
      [`wrn_step/${entry.file}`]: encodeSafetensors(tensors),
      "wrn_step/common.safetensors": new Uint8Array(await readFile(join(golden, "wrn_step", "common.safetensors"))),
    });
  };
  const onWasm = async (path: string): Promise<Summary> =>
    jsonLines((await verify(path, "--json", "--backend", "wasm", "--threads", "1")).stdout)[0] as unknown as Summary;

  test("as the paper's code did it passes, with every kind of layer and in both precisions", async () => {
    const path = await fixtures({});
    await cp(join(golden, "wrn_step"), join(path, "wrn_step"), { recursive: true });
    const { failures, passed, worst } = await onWasm(path);
    expect(failures).toEqual([]);
    expect(passed).toBe(5 + 4 + 4);
    expect(Object.keys(worst).sort()).toEqual(["float32", "float64"]);
  }, 120_000);

  test("of three steps passes; a wrong state, loss or decay group fails by name", async () => {
    const right = await onWasm(await oneCase((entry) => entry));
    expect(right).toMatchObject({ passed: 1, failed: 0 });
    expect(right.worst).toEqual({ float32: expect.objectContaining({ case: expect.stringContaining("SepHashed_0.20") }) });
    const state = "after3/block2.0.layer.0.conv1.hashed.hashed_weight";
    expect((await onWasm(await oneCase((entry) => entry, state))).failures[0]!.reason).toMatch(`${state} is off by 1.0e-3`);
    const wrongLoss = (entry: Json): Json => ({ ...entry, losses: [(entry.losses as number[])[0]! * 1.001] });
    expect((await onWasm(await oneCase(wrongLoss))).failures[0]!.reason).toMatch("loss of step 1 is off by");
    const wrongGroup = (entry: Json): Json => ({ ...entry, n_params: 1, groups: [{ names: ["fc.bias"] }] });
    expect((await onWasm(await oneCase(wrongGroup))).failures[0]!.reason).toMatch(/^number of parameters is 7566, expected 1; and 1 more$/);
  }, 60_000);

  test("of networks we lack is skipped", async () => {
    const index = (await readJson("wrn_step/index.json")) as Json;
    const vgg = [{ conv: "Conv", file: "absent.safetensors", network: "VGG depth=11" }];
    const { stdout } = await verify(await fixtures({ "wrn_step/index.json": { ...index, cases: vgg, student: undefined } }));
    expect(stdout).toMatch(/^skipped training VGG depth=11 Conv: VGG is none of WideResNet, WRN_50_2, DARTS, MobileNetV2$/m);
    expect(stdout).toMatch(/^passed {2}schedule multistep_wrn: 0\.0e\+0 in float64$/m);
  });

  test("schedules with another rate fail", async () => {
    const index = (await readJson("wrn_step/index.json")) as Json;
    const cosine = { base: 0.05, T_max: 10, samples: { 0: 0.05, 5: 0.0251 } };
    const { failures } = await summaryOf(
      await fixtures({ "wrn_step/index.json": { ...index, cases: [], student: undefined, lr_schedules: { cosine } } }),
    );
    expect(failures[0]!.reason).toMatch(/^rate of epoch 5 is off by/);
  });
});

describe("fixtures that are missing or malformed are one line of DataError", () => {
  const entry = { layer: "Sep", in_channels: 2, out_channels: 2, kernel_size: 1, file: "a.safetensors" };
  const index = { network: "WideResNet depth=10 widen_factor=1", optimizer: {}, cases: [{ conv: "Sep", file: "a.safetensors" }] };

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["an empty folder", { "readme.md": "" }, /must be a folder with cases in counts\.json, .* or wrn_step\/index\.json, got none/],
    ["no cases", { "counts.json": [] }, /must be a folder with cases/],
    ["no JSON", { "counts.json": "[{" }, /counts\.json must be JSON, got .+; the file is damaged/],
    ["an object for an array", { "counts.json": {} }, /counts\.json must be a JSON array, got \{\}/],
    ["a number for an entry", { "decomp.json": [3] }, /decomp\.json\[0\] must be a JSON object, got 3/],
    ["a field that is missing", { "counts.json": [{ network: "WideResNet" }] }, /counts\.json\[0\]\.conv must be text, got undefined/],
    ["a network without its depth", { "counts.json": [{ network: "WideResNet", conv: "Sep" }] }, /\.depth must be a number, got undefined/],
    ["a count of nothing", { "counts.json": [count] }, /counts\.json must hold params, .*, got none/],
    ["text for a number", { "decomp.json": [{ in_channels: "3" }] }, /decomp\.json\[0\]\.in_channels must be a number, got "3"/],
    [
      "text for sizes",
      { "decomp.json": [{ in_channels: 8, out_channels: 8, rank_scale: 1, dims: ["4"] }] },
      /dims must be an array of num/,
    ],
    ["files that are no list", { "blocks/index.json": { files: 3 } }, /blocks\/index\.json\.files must be a JSON array, got 3/],
    ["a block without its file", { "blocks/index.json": { files: [entry] } }, /a\.safetensors must exist, .* got ENOENT/],
    [
      "a damaged block",
      { "blocks/index.json": { files: [entry] }, "blocks/a.safetensors": "short" },
      /a\.safetensors must hold at least 8/,
    ],
    [
      "a block without numbers",
      { "blocks/index.json": { files: [entry] }, "blocks/a.safetensors": encodeSafetensors(new Map()) },
      /a block must hold y or y64, got neither/,
    ],
    ["a step without its file", { "wrn_step/index.json": index }, /wrn_step\/a\.safetensors must exist/],
    [
      "a step without images",
      {
        "wrn_step/index.json": index,
        "wrn_step/a.safetensors": encodeSafetensors(new Map()),
        "wrn_step/common.safetensors": encodeSafetensors(new Map()),
      },
      /must hold a tensor "x", got none/,
    ],
  ])("%s", async (_, files, message) => {
    const { code, stdout, stderr } = await verify(await fixtures(files));
    expect(stderr).toMatch(/^separable: DataError: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  });

  test("a folder that is not there", async () => {
    const { code, stderr } = await verify(join(folder, "absent"));
    expect(stderr).toMatch(/^separable: DataError: verify: .*absent must be a folder with cases in .*, got none\n$/);
    expect(code).toBe(1);
  });

  test("no folder at all is a mistake of the command line", async () => {
    const { code, stderr } = await runCli(["verify"]);
    expect(stderr).toMatch(/^separable: ConfigError: required option '--fixtures <folder>' not specified/);
    expect(code).toBe(1);
  });
});
