/** Every number that a user gives has a stated range. A number beyond it is refused at once, before anything is made. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, type Option } from "commander";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import type { CommandContext } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/commands.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { checkMemoryNeed } from "../../src/experiment/memory-need.ts";
import { type ImageSettings, loadImages } from "../../src/experiment/node/load-images.ts";
import { type Settings, settingRules } from "../../src/experiment/setting-rules.ts";
import { resolveSettings } from "../../src/experiment/settings.ts";
import { Darts } from "../../src/models/darts.ts";
import { MobileNetV2 } from "../../src/models/mobile-net-v2.ts";
import { ResNet } from "../../src/models/res-net.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { arange, eye, normal, uniform } from "../../src/ops/creation.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { createLinear } from "../../src/structured/create-convolution.ts";
import { families } from "../../src/structured/families.ts";
import type { StructuredFamily } from "../../src/structured/family.ts";
import { runCli, tinyRun } from "./run-cli.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-ranges-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Larger than any sensible number, as a user may write it. */
const absurd = fc.oneof(
  fc.constantFrom("9007199254740991", "9e15", "1e300", "1e18", "-1e300", "-9007199254740991", "Infinity", "-Infinity", "NaN", "1e309"),
  fc.double({ min: 1e13, noNaN: true }).map(String),
  fc.double({ max: -1e13, noNaN: true }).map(String),
);

/** The options of a command that read a number: those that take "1", "2" or a fraction for one. */
async function numericOptions(name: string): Promise<Option[]> {
  const command = new Command(name);
  (await commands.find((entry) => entry.name === name)!.load())(command, { exitCode: 0 } as CommandContext);
  return command.options.filter((option) => {
    const values = ["1", "2", "10", "16", "0.5"].map((text) => {
      try {
        return option.parseArg?.(text, undefined);
      } catch {
        return undefined;
      }
    });
    return values.some((value) => typeof value === "number" || (Array.isArray(value) && typeof value[0] === "number"));
  });
}

describe.each(commands.map(({ name }) => name))("%s", (name) => {
  test("refuses absurd numbers for each of its options", async () => {
    const options = await numericOptions(name);
    fc.assert(
      fc.property(fc.constantFrom(...options, undefined), absurd, (option, text) => {
        if (option === undefined) return;
        expect(() => option.parseArg!(text, undefined), option.flags).toThrow(ConfigError);
      }),
    );
  });
});

test("the commands have options that read numbers", async () => {
  const counts = await Promise.all(commands.map(async ({ name }) => [name, (await numericOptions(name)).length]));
  expect(Object.fromEntries(counts)).toMatchObject({ train: expect.toSatisfy((count: number) => count > 25), count: 4, bench: 4 });
});

test("every numeric setting has a largest value, from wherever it comes", () => {
  const numeric = Object.entries(settingRules).filter(([, rule]) => [0.5, 1, 16].some((value) => rule.accepts(value)));
  expect(numeric.length).toBeGreaterThan(20);
  for (const [name, rule] of numeric)
    for (const value of [9e15, 1e300, -9e15, Number.POSITIVE_INFINITY, Number.NaN]) expect(rule.accepts(value), name).toBe(false);
});

describe("families", () => {
  const records = families as readonly unknown[] as readonly StructuredFamily[];
  const sized = records.flatMap((family) => family.parameters.map(({ name, textOffset = 0 }, at) => ({ family, name, textOffset, at })));

  test.each(sized.map((entry) => [`${entry.family.kind} ${entry.name}`, entry] as const))("%s", (_, { family, name, at }) => {
    const example = family.examples.inspect as unknown as Readonly<Record<string, number>>;
    fc.assert(
      fc.property(fc.integer({ min: 70_000, max: 2 ** 53 - 1 }), (value) => {
        const values = family.parameters.map((parameter, i) => (i === at ? value : example[parameter.name]! + (parameter.textOffset ?? 0)));
        expect(() => parseConvolution([family.kind, ...values].join("_"))).toThrow(/takes .* at most|takes .* an integer from/);
        const spec = { ...example, kind: family.kind, [name]: value } as never;
        expect(() => createLinear(spec, 64, 64, { random: new Random(0) })).toThrow(`${family.kind}: ${name} must be at most`);
      }),
    );
  });
});

test.each([
  ["WideResNet", () => new WideResNet({ depth: 600_004, width: 1 }, { random: new Random(0) })],
  ["WideResNet", () => new WideResNet({ depth: 10, width: 1e6 }, { random: new Random(0) })],
  ["WideResNet", () => new WideResNet({ depth: 10, width: 1, classes: 1e15 }, { random: new Random(0) })],
  ["ResNet", () => new ResNet({ blocks: [3, 4, 1e9, 3] }, { random: new Random(0) })],
  ["ResNet", () => new ResNet({ width: 1e9 }, { random: new Random(0) })],
  ["Darts", () => new Darts({ layers: 1e9 }, { random: new Random(0) })],
  ["Darts", () => new Darts({ channels: 1e9 }, { random: new Random(0) })],
  ["MobileNetV2", () => new MobileNetV2({ classes: 1e15 }, { random: new Random(0) })],
])("the constructor of %s refuses a size that cannot work", (name, make) => {
  expect(make).toThrow(ConfigError);
  expect(make).toThrow(new RegExp(`^${name}: .* must be .*, got `));
});

describe("a run that would not fit", () => {
  const draws = vi.spyOn(Random.prototype, "bits");
  afterAll(() => draws.mockRestore());

  test.each([
    ["train --width 1000000", /--width must be an integer in \[1, 512\], got "1000000"/],
    ["train --width 500", /--width must be from 1 to 128, got "500"/],
    ["train --depth 600004", /--depth must be an integer in \[1, 1204\], got "600004"/],
    ["train --network darts --depth 1204", /--depth must be from 3 to 200 cells, got "1204"/],
    ["train --conv ACDC_1000000000", /takes ACDC as ACDC.* with an integer from 2 to 4097 .*, got "ACDC_1000000000"/],
    ["train --conv Shuffle_100000000000", /takes Shuffle as Shuffle_<groups> with numbers above 0 \(groups at most 65536\)/],
    ["train --limit-train 9e15", /--limit-train must be an integer in \[1, 100000000\], got "9e15"/],
    ["train --data synthetic --limit-train 100000000", /--limit-train must be at most 100000 synthetic images, got 100000000/],
    [
      "train --width 128",
      /wrn-10-128-Conv has 1,2\d\d,\d{3},\d{3} parameters, and a step .* needs 1\d,\d{3} MiB or more, got a limit of 1,024 MiB/,
    ],
    ["train --depth 1204 --width 128 --conv Sep", /wrn-1204-128-Sep has [\d,]+ parameters/],
    ["train --network darts --depth 200 --width 512", /darts-200-512-Sep has [\d,]+ parameters/],
    ["train --network darts --conv ACDC_4097", /a network may have at most 100000 tensors, got more; use fewer layers/],
    ["count --depth 1204 --conv ACDC_4097", /a network may have at most 100000 tensors, got more; use fewer layers/],
    ["count --classes 1e15", /--classes must be an integer in/],
    ["bench --threads 1e9", /--threads must be an integer in \[1, 64\]/],
  ])("%s", async (line, message) => {
    draws.mockClear();
    const limits = line.startsWith("train") ? ["--memory-limit", "1024", "--run", join(folder, "never")] : [];
    const { code, stderr } = await runCli([...line.split(" "), ...limits]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    expect(draws.mock.calls.length).toBeLessThan(1000);
  });
});

test("what is predicted is a lower bound: a run that fits is not refused", () => {
  useBackend(createReferenceBackend());
  fc.assert(
    fc.property(
      fc.constantFrom("sgd", "adam") as fc.Arbitrary<"sgd" | "adam">,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 64 }),
      (optimizer, width, batchSize) => {
        const settings: Settings = { ...resolveSettings("quick", { optimizer, width, batchSize, backend: "wasm" }), memoryLimit: 16 };
        const model = new WideResNet({ depth: 10, width }, { random: new Random(0) });
        const copies = optimizer === "sgd" ? 3 : 4;
        const bytes = 4 * (copies * model.parameterCount() + batchSize * 3 * 32 * 32);
        const check = (): void => checkMemoryNeed(settings, 10, 10_000, 2 ** 33);
        if (bytes > 16 * 2 ** 20) expect(check).toThrow(`${model.parameterCount().toLocaleString("en-US")} parameters`);
        else expect(check).not.toThrow();
      },
    ),
    { numRuns: 8 },
  );
  useBackend(undefined);
});

test("the images of a batch count too, and a batch has no more images than there are", () => {
  const settings: Settings = { ...resolveSettings("quick", { batchSize: 10_000, backend: "wasm" }), memoryLimit: 64 };
  expect(() => checkMemoryNeed(settings, 10, 10_000, 2 ** 33)).toThrow(/a step on 10,000 images .* needs 1\d\d MiB or more/);
  expect(() => checkMemoryNeed(settings, 10, 100, 2 ** 33)).not.toThrow();
});

test("a config.json with absurd settings is refused when its run is resumed", async () => {
  const run = join(folder, "forged");
  expect((await runCli([...tinyRun, "--run", run, "--steps", "1"])).code).toBe(0);
  const file = join(run, "config.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  for (const [name, value] of [
    ["width", 1e6],
    ["depth", 600_004],
    ["conv", "Shuffle_100000000000"],
    ["conv", "ACDC_1000000000"],
    ["limitTrain", 9e15],
    ["batchSize", 1e9],
  ] as const) {
    await writeFile(file, JSON.stringify({ ...config, settings: { ...config.settings, [name]: value } }));
    const { code, stderr } = await runCli(["train", "--resume", run, "--no-progress"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(new RegExp(`DataError: settings: ${name} in .* must be `)) });
  }
  await writeFile(file, JSON.stringify({ ...config, settings: { ...config.settings, width: 128 } }));
  const { code, stderr } = await runCli(["train", "--resume", run, "--no-progress"]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/wrn-10-128-Conv has/) });
});

test("more elements than the host can hold are an error of the library, not a RangeError", () => {
  useBackend(createReferenceBackend());
  const random = new Random(0);
  const shape = [2 ** 20, 2 ** 20];
  for (const make of [() => uniform(shape, random), () => normal(shape, random), () => eye(2 ** 20), () => arange(0, 2 ** 40)])
    expect(make).toThrow(/the host has no memory for 1099511627776 elements of float32/);
  useBackend(undefined);
});

test("Ctrl-C stops the painting of synthetic images", async () => {
  const controller = new AbortController();
  const reason = new Error("interrupted");
  setImmediate(() => controller.abort(reason));
  await expect(loadImages({ data: "synthetic", limitTrain: 100_000 } as ImageSettings, { signal: controller.signal })).rejects.toBe(reason);
});
