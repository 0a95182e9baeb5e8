import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, DataError } from "../../src/core/errors.ts";
import { parseAugmentation } from "../../src/experiment/augment-spec.ts";
import { type PresetName, presetNames, presets } from "../../src/experiment/presets.ts";
import { createSchedule } from "../../src/experiment/recipe.ts";
import { integer, milestones, number, type Rule } from "../../src/experiment/rules.ts";
import { checkSettings, type Settings, settingRules } from "../../src/experiment/setting-rules.ts";
import { dropsLast, resolveSettings } from "../../src/experiment/settings.ts";
import { formatConvolution, parseConvolution } from "../../src/structured/convolution-text.ts";

/** Sizes that a network can have. */
const sizes = { depth: fc.constantFrom(10, 16, 22), width: fc.integer({ min: 1, max: 4 }) };

/** A preset, and settings that never contradict each other nor it. */
const overPreset: fc.Arbitrary<readonly [PresetName, Partial<Settings>]> = fc
  .constantFrom(...presetNames)
  .chain((preset) => fc.tuple(fc.constant(preset), presets[preset].depth === undefined ? oneSize : ofAnySize));

const anyNetwork = {
  conv: fc.constantFrom("Conv", "Sep"),
  epochs: fc.integer({ min: 1, max: 9 }),
  batchSize: fc.integer({ min: 1, max: 512 }),
  learningRate: fc.double({ min: 1e-5, max: 1, noNaN: true }),
  optimizer: fc.constantFrom("sgd", "adam", "adamw"),
  augment: fc.constantFrom("none", "flip", "crop:2,cutout:5"),
  seed: fc.nat(),
};
const oneSize: fc.Arbitrary<Partial<Settings>> = fc.record(anyNetwork, { requiredKeys: [] });
const ofAnySize: fc.Arbitrary<Partial<Settings>> = fc.record({ ...anyNetwork, ...sizes }, { requiredKeys: [] });

describe("settings", () => {
  test("an explicit option wins over any preset; what is not given is the preset's", () =>
    fc.assert(
      fc.property(overPreset, ([preset, given]) => {
        const settings = resolveSettings(preset, given);
        expect(settings).toMatchObject(given);
        // Another kind of optimiser asks for other learning rates.
        const decided = new Set([
          ...Object.keys(given),
          ...(given.optimizer === undefined ? [] : ["learningRate", "normRate", "classifierRate", "vectorRate"]),
          ...(given.optimizer !== undefined && presets[preset].optimizer === "muon" ? ["iterations", "normalise", "weightDecay"] : []),
        ]);
        for (const [name, value] of Object.entries(presets[preset]))
          if (!decided.has(name)) expect(settings[name as keyof Settings], name).toEqual(value);
      }),
    ));

  test("another network than the preset's has its own sizes and convolutions, and nothing of what was the preset network's", () => {
    expect(resolveSettings("quick", { network: "darts" })).toMatchObject({ depth: 20, width: 36, conv: "Sep" });
    const mobile = resolveSettings("paper-darts", { network: "mobilenet-v2" });
    for (const name of ["depth", "width", "dropPath", "auxiliary"] as const) expect(mobile[name], name).toBeUndefined();
  });

  test("a folder of images has the input size of the network, and the augmentation that suits the size", () => {
    const of = (preset: PresetName, given: Partial<Settings> = {}) => resolveSettings(preset, { data: "./pictures", ...given });
    expect(of("quick")).toMatchObject({ imageSize: 32, augment: "crop:4,flip", mean: undefined });
    expect(of("paper-wrn")).toMatchObject({ imageSize: 32, augment: "crop:4,flip,cutout:16" });
    expect(of("quick", { imageSize: 64 })).toMatchObject({ augment: "crop:4,flip" });
    expect(of("quick", { imageSize: 65 })).toMatchObject({ augment: "resized-crop,flip" });
    expect(of("quick", { imageSize: 65, augment: "flip" })).toMatchObject({ augment: "flip" });
    expect(of("quick", { network: "mobilenet-v2" })).toMatchObject({ imageSize: 224, augment: "resized-crop,flip", mean: undefined });
    // The recipe of the paper for ImageNet.
    const imageNet = { imageSize: 224, augment: "resized-crop,flip", mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    for (const preset of ["paper-wrn-50-2", "paper-mobilenet-v2"] as const) {
      expect(of(preset)).toMatchObject(imageNet);
      expect(of(preset, { imageSize: 160, mean: [0, 0, 0] })).toMatchObject({ ...imageNet, imageSize: 160, mean: [0, 0, 0] });
      expect(resolveSettings(preset, {})).toMatchObject({ data: "cifar10", augment: "crop:4,flip", imageSize: undefined, mean: undefined });
    }
  });

  test.each<[Partial<Settings>, RegExp]>([
    [{ depth: 11 }, /--depth must be 6n \+ 4 .*, got "11"/],
    [{ network: "darts", depth: 2 }, /--depth must be from 3 to 200 cells, got "2"/],
    [{ network: "wrn-50-2", width: 2 }, /--width has no use with --network wrn-50-2/],
    [{ network: "fast", depth: 10 }, /--depth has no use with --network fast, whose size is --widths/],
    [{ widths: [8, 8, 8] }, /--widths belongs to --network fast, got --network wrn/],
    [{ normalise: true }, /--normalise belongs to --optimizer muon, got --optimizer sgd/],
    [{ optimizer: "adam", momentum: 0.5 }, /--momentum belongs to --optimizer sgd or muon, got --optimizer adam/],
    [{ endRate: 0 }, /--end-rate belongs to --schedule triangular, got --schedule one-cycle/],
    [{ schedule: "cosine", warmup: 0.1 }, /--warmup belongs to --schedule one-cycle or triangular, got --schedule cosine/],
    [{ beta: 10 }, /--beta belongs to --teacher, got none/],
    [{ dropPath: 0.1 }, /--drop-path belongs to --network darts, got --network wrn/],
    [{ network: "darts", attentionSplit: 2 }, /--attention-split belongs to --network wrn, got --network darts/],
    [{ network: "darts", dropout: 0.1 }, /--dropout belongs to --network wrn or mobilenet-v2, got --network darts/],
  ])("%j is refused", (given, message) => expect(() => resolveSettings("quick", given)).toThrow(message));

  test("a teacher teaches by attention alone, as in the paper, unless told otherwise", () => {
    expect(resolveSettings("quick", { teacher: "runs/a" })).toMatchObject({ alpha: 0, temperature: 4, beta: 1000 });
    expect(resolveSettings("quick", { teacher: "runs/a", alpha: 0.9, beta: 0 })).toMatchObject({ alpha: 0.9, temperature: 4, beta: 0 });
  });

  test("what config.json holds is read as it was written", () =>
    fc.assert(
      fc.property(overPreset, ([preset, given]) => {
        const settings = resolveSettings(preset, given);
        const read = checkSettings(JSON.parse(JSON.stringify(settings)), "config.json");
        expect(JSON.stringify(read)).toBe(JSON.stringify(settings));
      }),
    ));

  test.each(Object.keys(settingRules))("%s of a kind it cannot have is refused by name", (name) => {
    for (const bad of [{}, "\0", -3.5, null])
      expect(() => checkSettings({ ...presets.quick, [name]: bad }, "config.json")).toThrow(
        expect.objectContaining({ name: "DataError", message: expect.stringContaining(`settings: ${name} in config.json must be`) }),
      );
  });

  test("what is no object is refused", () => {
    for (const bad of [null, 3, "settings"]) expect(() => checkSettings(bad, "config.json")).toThrow(DataError);
  });

  test("an optimiser does not inherit the rates of another one, unless told so", () => {
    expect(resolveSettings("quick", { optimizer: "adamw" }).learningRate).toBeLessThan(0.01);
    expect(resolveSettings("quick", { optimizer: "adamw", learningRate: 0.2 }).learningRate).toBe(0.2);
    expect(resolveSettings("quick", { optimizer: "sgd" }).learningRate).toBe(presets.quick.learningRate);
    expect(resolveSettings("quick", { optimizer: "muon" })).toMatchObject({ learningRate: 0.02, momentum: 0.9, nesterov: true });
    expect(resolveSettings("accurate", { optimizer: "muon" })).toEqual(presets.accurate);
    const retuned = {
      learningRate: 0.2,
      normRate: undefined,
      vectorRate: undefined,
      normalise: undefined,
      iterations: undefined,
      weightDecay: 5e-4,
    };
    expect(resolveSettings("accurate", { optimizer: "sgd" })).toMatchObject(retuned);
  });

  test("every schedule is that of its name", () => {
    const base = { ...presets.quick, epochs: 10, learningRate: 0.1 };
    expect(createSchedule({ ...base, schedule: "cosine" })(5)).toBeCloseTo(0.05, 12);
    const steps = createSchedule({ ...base, schedule: "multi-step", milestones: [3, 6], factor: 0.5 });
    expect([0, 2.9, 3, 6].map(steps)).toEqual([0.1, 0.1, 0.05, 0.025]);
    expect(createSchedule({ ...base, schedule: "one-cycle" })(3)).toBeCloseTo(0.1, 12);
  });
});

describe("rules", () => {
  const agree = <T>(rule: Rule<T>, text: string): void => {
    const value = rule.parse(text);
    if (value !== undefined) expect(rule.accepts(value)).toBe(true);
  };

  test("a parsed value is an accepted one, and nothing else is parsed", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (text) => {
        for (const rule of Object.values(settingRules)) agree(rule as Rule<unknown>, text);
      }),
    ));

  test("bounds are inside or outside as their brackets say", () => {
    const half = number({ least: 0, below: 1 });
    expect(half.allowed).toBe("a number in [0, 1)");
    expect([half.parse("0"), half.parse("1"), half.parse("0.999")]).toEqual([0, undefined, 0.999]);
    const open = number({ above: 0, most: 1 });
    expect(open.allowed).toBe("a number in (0, 1]");
    expect([open.parse("0"), open.parse("1")]).toEqual([undefined, 1]);
  });

  test.each(["", " ", "NaN", "Infinity", "1e", "0x", "1,5", "true"])("%j is no number", (text) => {
    expect(number({}).parse(text)).toBeUndefined();
    expect(integer({}).parse(text)).toBeUndefined();
  });

  test("milestones increase", () => {
    expect(milestones(1000).parse("60,120,160")).toEqual([60, 120, 160]);
    for (const bad of ["", "0", "5,5", "6,5", "1.5", "1,,2", "a", "5,1001"]) expect(milestones(1000).parse(bad)).toBeUndefined();
  });
});

describe("specs", () => {
  test("a convolution's text becomes a spec and its text again", () => {
    for (const text of [
      "Conv",
      "Sep",
      "ACDC_15",
      "TensorTrain_0.44",
      "MatrixTensorTrain_8_4",
      "BLAST_0.25",
      "SepHashedDecimate",
      "Butterfly",
    ])
      expect(formatConvolution(parseConvolution(text))).toBe(text);
    expect(parseConvolution("ACDC")).toEqual(parseConvolution("ACDC_12"));
    for (const bad of [
      "",
      "conv",
      "Sep ",
      "Conv(1)",
      "Sep_1",
      "ACDC_1",
      "ACDC_3_4",
      "Generic",
      "Generic_0",
      "Shuffle_1.5",
      "Tucker_-1",
      "toString",
      "CP_1e3",
    ])
      expect(() => parseConvolution(bad)).toThrow(ConfigError);
  });

  test("a last batch of one image is left out unless the settings say otherwise", () => {
    expect(dropsLast({ batchSize: 4, dropLast: undefined }, 9)).toBe(true);
    expect(dropsLast({ batchSize: 4, dropLast: false }, 9)).toBe(false);
    // A run whose batches all have more images records nothing, and is the run that it always was.
    for (const images of [8, 10, 11, 1, 4]) expect(dropsLast({ batchSize: 4, dropLast: undefined }, images)).toBeUndefined();
    expect(dropsLast({ batchSize: 4, dropLast: true }, 10)).toBe(true);
    // With batches of one image every batch has one.
    expect(dropsLast({ batchSize: 1, dropLast: undefined }, 5)).toBeUndefined();
  });

  test("augmentation is the parts named, each once", () => {
    expect(parseAugmentation("none")).toEqual({});
    expect(parseAugmentation("crop:3,flip,cutout:8")).toEqual({ crop: 3, flip: true, cutout: 8 });
    expect(parseAugmentation("cutout, crop")).toEqual({ crop: 4, cutout: 16 });
    expect(parseAugmentation("translate,flip:alternating,mixup:0.4")).toEqual({ translate: 2, flip: "alternating", mixup: 0.4 });
    expect(parseAugmentation("translate:3,mixup")).toEqual({ translate: 3, mixup: 0.2 });
    for (const bad of ["crop,translate", "flip,flip:alternating", "mixup:0", "mixup:2", "mixup:-0.1", "translate:0", "resized-crop:2"])
      expect(() => parseAugmentation(bad)).toThrow(ConfigError);
    for (const bad of ["", "flip:2", "crop:0", "crop,crop", "flip,none", "blur", "crop:-1", "crop:100"])
      expect(() => parseAugmentation(bad)).toThrow(ConfigError);
  });
});
