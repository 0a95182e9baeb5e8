/**
 * The parsers under test. Each target makes an input of one case from the dice, and hands it to a parser. The parser may accept the input
 * or refuse it with an error of the library. Anything else is a finding.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { encode as encodePng } from "fast-png";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { selectBenchmarks } from "../../../src/bench/benchmarks.ts";
import { run } from "../../../src/cli/program.ts";
import { SeparableError } from "../../../src/core/errors.ts";
import { fileKind } from "../../../src/core/file-kind.ts";
import { parseJson, repeatedKey } from "../../../src/core/json.ts";
import { Random } from "../../../src/core/random.ts";
import { type CifarFormat, cifarFormats, decodeClassNames, decodeRecords, recordBytes } from "../../../src/data/cifar-format.ts";
import { allocateSplit } from "../../../src/data/dataset.ts";
import { openCachedFolder } from "../../../src/data/node/cached-folder.ts";
import { decodeImage } from "../../../src/data/node/decode-image.ts";
import { unpackTarGz } from "../../../src/data/node/unpack.ts";
import { parseAugmentation } from "../../../src/experiment/augment-spec.ts";
import { findCheckpoint } from "../../../src/experiment/node/find-checkpoint.ts";
import { openRun, summarise } from "../../../src/experiment/node/sweep/run-summary.ts";
import { readSweep } from "../../../src/experiment/node/sweep/sweep-plan.ts";
import { SweepResults } from "../../../src/experiment/node/sweep/sweep-results.ts";
import type { Rule } from "../../../src/experiment/rules.ts";
import { configOf } from "../../../src/experiment/run-config.ts";
import { settingRules } from "../../../src/experiment/setting-rules.ts";
import { decodeNpy, encodeNpy } from "../../../src/interchange/npy.ts";
import { decodeNpz, encodeNpz } from "../../../src/interchange/npz.ts";
import { Residual, Sequential } from "../../../src/nn/combinators.ts";
import { Conv2d } from "../../../src/nn/conv2d.ts";
import { ReLU } from "../../../src/nn/layers.ts";
import { Linear } from "../../../src/nn/linear.ts";
import { checkConvolution, parseConvolution } from "../../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../../src/structured/create-convolution.ts";
import { decodeCheckpoint } from "../../../src/train/checkpoint.ts";
import { decodeModel, encodeModel } from "../../../src/train/model-file.ts";
import { RunFolder } from "../../../src/train/node/run-folder.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray } from "../../../src/train/safetensors.ts";
import { hostileValues, mutateBytes, mutateJson, mutateValue, stringify } from "./mutate.ts";
import type { Dice } from "./randomness.ts";

export interface Target {
  readonly name: string;
  /** How often the target is chosen, beside the others. */
  readonly weight: number;
  /** The bytes that a case may add to the process's memory beside 40 times its input. Default: 128 MiB. */
  readonly memory?: number;
  run(dice: Dice): Promise<unknown>;
}

const encoder = new TextEncoder();

/** One value of an arbitrary. */
const drawn = <T>(arbitrary: fc.Arbitrary<T>, dice: Dice): T => fc.sample(arbitrary, { seed: dice.seed(), numRuns: 1 })[0]!;

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.tuple(fc.constantFrom("a", "(", " ", "_1", ":", "\\", "0", "*", ",", "#\n", "é"), fc.nat(20_000)).map(([text, n]) => text.repeat(n)),
);

/** A safetensors file with any header. */
function safetensorsFile(json: string, data: Uint8Array, claimed?: number): Uint8Array {
  const header = encoder.encode(json);
  const bytes = new Uint8Array(8 + header.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimed ?? header.length), true);
  bytes.set(header, 8);
  bytes.set(data, 8 + header.length);
  return bytes;
}

const dtypes = ["F32", "F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "U64", "F8_E4M3", ""];
const sizes = fc.oneof(fc.nat(5), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 2 ** 53 - 1, 1e308));
const headerEntry = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(sizes, { maxLength: 4 }),
      data_offsets: fc.array(sizes, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
);

/** The parts of the corpus that must be computed first. */
interface Corpus {
  readonly run: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly tensors: ReadonlyMap<string, NamedArray>;
  readonly model: Uint8Array;
  readonly images: readonly Uint8Array[];
  readonly tar: Uint8Array;
}

/** Reads a finished run, and makes the other files. @param run The folder of the run. */
async function collect(run: string): Promise<Corpus> {
  const names = ["config.json", "metrics.jsonl", "evaluation.json", "checkpoint.safetensors"];
  const files = new Map(await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(run, name)))] as const)));
  const build = { random: new Random(1) };
  const sep = convolutionFactory({ kind: "Sep" });
  const network = new Sequential(
    new Conv2d(3, 4, 3, build, { padding: 1 }),
    ReLU(),
    new Residual(new Sequential(sep({ inChannels: 4, outChannels: 4, kernel: 3 }, build))),
    new Linear(4, 3, build),
  );
  const tensors = new Map<string, NamedArray>([
    ["a", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["b.running", { shape: [], data: Int32Array.of(7) }],
    ["c", { shape: [0, 4], data: new Float64Array(0) }],
  ]);
  const picture = Uint8Array.from({ length: 24 * 16 * 3 }, (_, i) => (i * 37) & 255);
  const raw = sharp(picture, { raw: { width: 24, height: 16, channels: 3 } });
  const images = [
    encodePng({ width: 24, height: 16, channels: 3, depth: 8, data: picture }),
    await raw.clone().png({ progressive: true, palette: true }).toBuffer(),
    await raw.clone().jpeg().toBuffer(),
    await raw
      .clone()
      .jpeg({ progressive: true, chromaSubsampling: "4:4:4" })
      .withExif({ IFD0: { Orientation: "6" } })
      .toBuffer(),
    await raw.clone().webp({ lossless: true }).toBuffer(),
    await raw.clone().webp().toBuffer(),
  ].map((bytes) => new Uint8Array(bytes));
  const tar = await packTar(
    ["a.bin", "b.bin"].map((name, i) => ({
      header: { name: `folder/${name}`, size: 100 + i, type: "file" as const },
      body: new Uint8Array(100 + i),
    })),
  );
  return { run, files, tensors, model: await encodeModel(network, { classes: ["x", "y", "z"] }), images, tar };
}

const smallCifar = (name: "cifar10" | "cifar100"): CifarFormat => ({
  ...cifarFormats[name],
  train: [{ name: "a.bin", records: 2 }],
  test: [],
});

async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)).toString("hex");
}

/** A checkpoint whose content is damaged and whose checksum is right. */
async function forgedCheckpoint(bytes: Uint8Array, dice: Dice): Promise<Uint8Array> {
  const { tensors, metadata } = decodeSafetensors(bytes, "corpus");
  const { sha256: _, ...facts } = metadata;
  const forged: Record<string, string> = { ...facts };
  const forgedTensors = new Map(tensors);
  if (dice.chance(0.8)) {
    const key = dice.pick(Object.keys(forged));
    if (dice.chance(0.1)) delete forged[key];
    else {
      let value: unknown = forged[key];
      try {
        value = JSON.parse(forged[key]!);
      } catch {
        // `format` is no JSON.
      }
      forged[key] = mutateJson(value, dice);
    }
  }
  if (dice.chance(0.3)) {
    const name = dice.pick([...forgedTensors.keys()]);
    const array = forgedTensors.get(name)!;
    const action = dice.below(3);
    if (action < 2) forgedTensors.delete(name);
    if (action === 1) forgedTensors.set(`${name.slice(0, dice.below(name.length))}${drawn(anyText, dice).slice(0, 200)}`, array);
    if (action === 2) forgedTensors.set(name, { shape: [array.data.length, 1, 1], data: array.data });
  }
  forgedTensors.delete("__metadata__");
  const digest = await sha256(encodeSafetensors(forgedTensors, forged));
  return encodeSafetensors(forgedTensors, { ...forged, sha256: digest });
}

/** Reads all that commands read of a run. */
async function readRun(folder: string): Promise<void> {
  const opened = await openRun(folder);
  if (opened.metrics.length > 0) summarise(opened);
  await (await RunFolder.open(folder)).evaluation();
}

const silent = { write: () => true };

/** Calls the program. Any command line ends with an exit code, and with an error of the library if the code is 1. */
async function callProgram(argv: readonly string[]): Promise<void> {
  let complaint = "";
  const stderr = { write: (text: string) => (complaint += text) };
  const signals = { on: () => undefined, off: () => undefined };
  const code = await run([...argv, "--json"], {
    stdout: silent,
    stderr,
    invocation: "separable",
    program: "separable",
    signals,
    exit: () => undefined,
  });
  if (code !== 1) return;
  // A command line that is no call prints the help.
  const name = /^\{"error":\{"name":"(\w+)"/.exec(complaint)?.[1];
  if (name !== undefined && !/^(Config|Data|Shape|State|Backend|Separable)Error$|^CorruptedCacheError$/.test(name))
    throw new Error(`raw ${complaint.slice(0, 300)}`);
}

const kinds = [
  "Conv",
  "Sep",
  "TensorTrain",
  "Hashed",
  "LR",
  "ACDC",
  "Tucker",
  "CP",
  "Shuffle",
  "Generic",
  "HashedSeparable",
  "MatrixTensorTrain",
];
const specText = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...kinds),
      fc.array(fc.oneof(fc.nat(9), fc.double(), fc.constantFrom("", "1e9", "0.5", "-1", "٣")), { maxLength: 3 }),
    )
    .map(([kind, numbers]) => [kind, ...numbers].join("_")),
  fc.tuple(fc.string({ maxLength: 10 }), fc.constantFrom(...kinds)).map(([module, kind]) => `${module}:${kind}`),
  anyText,
);

const sweep = {
  preset: "quick",
  settings: { epochs: 2, data: "synthetic", limitTrain: 12 },
  networks: [{ network: "wrn", depth: 10, width: 1 }, { width: 2 }],
  convolutions: ["Conv", "TensorTrain_0.5", "Hashed"],
  budgets: [9000],
  seeds: [0, 1],
  teachers: [null, { teacher: "runs/a", beta: 1000 }],
};

/** The targets. @param scratch A folder for files, of this process alone. */
export async function createTargets(runFolder: string, scratch: string): Promise<readonly Target[]> {
  const corpus = await collect(runFolder);
  const path = join(scratch, "file");
  const folder = join(scratch, "run");
  const out = join(scratch, "out");
  const toJson = (name: string): unknown => JSON.parse(new TextDecoder().decode(corpus.files.get(name)));
  const lines = new TextDecoder()
    .decode(corpus.files.get("metrics.jsonl"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  const checkpoint = corpus.files.get("checkpoint.safetensors")!;
  const plainFile = encodeSafetensors(corpus.tensors, { format: "pt" });
  const npy = [...corpus.tensors.values()].map(encodeNpy);
  const npz = [encodeNpz(corpus.tensors), encodeNpz(corpus.tensors, { compress: true })];
  const model = decodeSafetensors(corpus.model, "corpus");
  const summary = { id: "a", ...summarise(await openRun(runFolder)) };
  const manifest = { version: 1, source: "official", files: { "a.bin": { bytes: 3, sha256: "0".repeat(64) } } };

  /** A copy of the run in which `damage` has replaced one file. */
  const damagedRun = async (name: string, content: string | Uint8Array): Promise<string> => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    for (const [other, bytes] of corpus.files) await writeFile(join(folder, other), other === name ? content : bytes);
    return folder;
  };

  return [
    {
      name: "safetensors, damaged bytes",
      weight: 40,
      run: async (dice) => decodeSafetensors(mutateBytes(dice.chance(0.5) ? plainFile : corpus.model, dice), "f"),
    },
    {
      name: "safetensors, any header",
      weight: 40,
      run: async (dice) => {
        const header = drawn(
          fc.dictionary(fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.constantFrom("__metadata__", "__proto__")), headerEntry, {
            maxKeys: 5,
          }),
          dice,
        );
        const json = dice.chance(0.3) ? stringify(mutateValue(header, dice)) : JSON.stringify(header);
        return decodeSafetensors(
          safetensorsFile(json, new Uint8Array(dice.below(64)), dice.chance(0.05) ? dice.pick([0, 2 ** 31, 2 ** 53]) : undefined),
          "f",
        );
      },
    },
    {
      name: "safetensors, many names for one span",
      weight: 1,
      run: async (dice) => {
        const [names, bytes] = [1 + dice.below(2000), dice.below(100_000)];
        const entry = { dtype: "U8", shape: [bytes], data_offsets: [0, bytes] };
        return decodeSafetensors(
          safetensorsFile(
            JSON.stringify(Object.fromEntries(Array.from({ length: names }, (_, i) => [`t${i}`, entry]))),
            new Uint8Array(bytes),
          ),
          "f",
        );
      },
    },
    { name: "checkpoint, damaged bytes", weight: 3, run: async (dice) => decodeCheckpoint(mutateBytes(checkpoint, dice), "f") },
    {
      name: "checkpoint with a right checksum",
      weight: 2,
      run: async (dice) => {
        const read = await decodeCheckpoint(await forgedCheckpoint(checkpoint, dice), "f");
        configOf(read);
        decodeModel(await forgedCheckpoint(checkpoint, dice), "f");
      },
    },
    {
      name: "checkpoint in a run folder",
      weight: 1,
      run: async (dice) => {
        const source = await damagedRun(
          "checkpoint.safetensors",
          dice.chance(0.5) ? mutateBytes(checkpoint, dice) : await forgedCheckpoint(checkpoint, dice),
        );
        configOf(await findCheckpoint(join(source, "checkpoint.safetensors")));
      },
    },
    {
      name: "model file",
      weight: 6,
      run: async (dice) => {
        const key = dice.pick(Object.keys(model.metadata).filter((name) => name !== "format"));
        const metadata = { ...model.metadata, [key]: mutateJson(JSON.parse(model.metadata[key]!), dice) };
        return decodeModel(encodeSafetensors(model.tensors, metadata), "f");
      },
    },
    { name: "npy, damaged bytes", weight: 40, run: async (dice) => decodeNpy(mutateBytes(dice.pick(npy), dice), "f") },
    {
      name: "npy, any header",
      weight: 30,
      run: async (dice) => {
        const text = drawn(
          fc.oneof(
            fc
              .array(
                fc.constantFrom(
                  "{",
                  "}",
                  "'descr'",
                  ":",
                  "'<f4'",
                  ",",
                  "(",
                  ")",
                  "1",
                  "'shape'",
                  "'fortran_order'",
                  "False",
                  " ",
                  "#",
                  "\\",
                  "[",
                  "]",
                  "\n",
                  "_",
                  "0",
                ),
                { maxLength: 60 },
              )
              .map((parts) => parts.join("")),
            anyText.map((part) => `{'descr': '<f4', 'fortran_order': False, 'shape': (${part})}`),
            fc.array(sizes, { maxLength: 6 }).map((shape) => `{'descr': '<f4', 'fortran_order': True, 'shape': (${shape.join(",")},)}`),
          ),
          dice,
        );
        const header = encoder.encode(text).subarray(0, 65_535);
        return decodeNpy(
          Uint8Array.from([
            0x93,
            ...encoder.encode("NUMPY"),
            1,
            0,
            header.length & 255,
            header.length >> 8,
            ...header,
            ...new Uint8Array(4 * dice.below(8)),
          ]),
          "f",
        );
      },
    },
    { name: "npz, damaged bytes", weight: 40, run: async (dice) => decodeNpz(mutateBytes(dice.pick(npz), dice), "f") },
    {
      name: "npz, deflated zeros",
      weight: 1,
      memory: 512 * 2 ** 20,
      run: async (dice) => {
        const length = dice.below(2 ** dice.pick([12, 16, 20]));
        return decodeNpz(encodeNpz(new Map([["a", { shape: [length], data: new Uint8Array(length) }]]), { compress: true }), "f");
      },
    },
    {
      name: "CIFAR records",
      weight: 20,
      run: async (dice) => {
        const format = smallCifar(dice.pick(["cifar10", "cifar100"]));
        const whole = new Uint8Array(2 * recordBytes(format)).fill(1);
        const bytes = dice.chance(0.5) ? mutateBytes(whole, dice) : whole.map((byte, i) => (i % 997 === 0 ? dice.below(256) : byte));
        return decodeRecords(format, format.train[0]!, "f", bytes, allocateSplit(2, 3072), 0);
      },
    },
    {
      name: "CIFAR class names",
      weight: 10,
      run: async (dice) => decodeClassNames(smallCifar("cifar10"), "f", drawn(anyText, dice).replaceAll("a", "\n")),
    },
    {
      name: "images",
      weight: 3,
      memory: 768 * 2 ** 20,
      run: async (dice) => {
        await writeFile(path, mutateBytes(dice.pick(corpus.images), dice));
        return decodeImage(path, { size: 8, resize: dice.pick([8, 12]) });
      },
    },
    {
      name: "tar.gz",
      weight: 10,
      run: async (dice) => {
        await mkdir(out, { recursive: true });
        const bytes = dice.chance(0.5) ? gzipSync(mutateBytes(corpus.tar, dice)) : mutateBytes(gzipSync(corpus.tar), dice);
        try {
          await unpackTarGz(Readable.from([bytes]), out, { wanted: ["a.bin"], maximumBytes: 2 ** 20 });
        } catch (error) {
          // Its caller reports any error of a stream as a reason why the source could not be used.
          if (error instanceof RangeError || error instanceof TypeError) throw error;
        }
      },
    },
    {
      name: "specs and settings as text",
      weight: 8,
      run: async (dice) => {
        const text = drawn(specText, dice);
        const attempts = [
          () => parseConvolution(text),
          () => checkConvolution(text),
          () => parseAugmentation(drawn(anyText, dice)),
          () => selectBenchmarks([text]),
        ];
        for (const rule of Object.values(settingRules) as Rule<unknown>[])
          attempts.push((() => [rule.parse(text), rule.accepts(text), rule.refusal?.(text), rule.suggestion?.(text)]) as never);
        let refused: unknown;
        for (const attempt of attempts)
          try {
            attempt();
          } catch (error) {
            refused = error;
            if (!isOurs(error)) break;
          }
        if (refused !== undefined) throw refused;
      },
    },
    {
      name: "command lines",
      weight: 1,
      run: async (dice) => {
        const options = [
          "--depth",
          "--width",
          "--conv",
          "--classes",
          "--input",
          "--mode",
          "--network",
          "--layer",
          "--in",
          "--out",
          "--checkpoint",
          "--preset",
        ];
        const values = [
          "10",
          "1",
          "-1",
          "0",
          "1e3",
          "NaN",
          "wrn",
          "auto",
          "Conv",
          "TensorTrain_0.5",
          "Hashed_0.1",
          "Sep",
          "16",
          "--",
          "-",
          "",
          path,
        ];
        const words = Array.from({ length: dice.below(6) }, () => [
          dice.pick(options),
          dice.chance(0.8) ? dice.pick(values) : drawn(anyText, dice).slice(0, 300).replaceAll("\0", ""),
        ]).flat();
        await callProgram([dice.pick(["count", "count", "convert", "predict", "report", "nothing"]), ...words]);
      },
    },
    {
      name: "sweep files",
      weight: 1,
      run: async (dice) => {
        await writeFile(path, mutateJson(sweep, dice));
        return readSweep(path);
      },
    },
    {
      name: "config.json of a run",
      weight: 2,
      run: async (dice) => readRun(await damagedRun("config.json", mutateJson(toJson("config.json"), dice))),
    },
    {
      name: "metrics.jsonl of a run",
      weight: 3,
      run: async (dice) => {
        const damaged = lines.map((line) => (dice.chance(0.5) ? mutateJson(line, dice) : JSON.stringify(line)));
        return readRun(
          await damagedRun(
            "metrics.jsonl",
            dice.chance(0.8) ? `${damaged.join("\n")}\n` : mutateBytes(corpus.files.get("metrics.jsonl")!, dice),
          ),
        );
      },
    },
    {
      name: "evaluation.json of a run",
      weight: 1,
      run: async (dice) => readRun(await damagedRun("evaluation.json", mutateJson(toJson("evaluation.json"), dice))),
    },
    {
      name: "results.jsonl of a sweep",
      weight: 2,
      run: async (dice) => {
        const results = [summary, { ...summary, id: "b" }].map((line) =>
          dice.chance(0.5) ? mutateJson(line, dice) : JSON.stringify(line),
        );
        const file = join(scratch, "results.jsonl");
        await writeFile(file, results.join("\n") + (dice.chance(0.5) ? "\n" : ""));
        return SweepResults.open(file, () => {});
      },
    },
    {
      name: "manifest of the cache",
      weight: 2,
      run: async (dice) => {
        await mkdir(out, { recursive: true });
        await writeFile(join(out, "manifest.json"), mutateJson(manifest, dice));
        await (await openCachedFolder(out))?.read("a.bin");
      },
    },
    {
      name: "JSON, and the kinds of files",
      weight: 30,
      run: async (dice) => {
        const text = dice.chance(0.5) ? mutateJson(drawn(fc.jsonValue(), dice) ?? {}, dice) : stringify(dice.pick(hostileValues)());
        fileKind(mutateBytes(dice.pick([...corpus.images, corpus.model, npz[0]!, gunzipSync(gzipSync(corpus.tar))]), dice));
        parseJson(text, "f");
        repeatedKey(text);
      },
    },
  ];
}

/** Whether an error is one of the library's, which its users expect. */
export const isOurs = (error: unknown): error is SeparableError => error instanceof SeparableError;
