/** Networks to the files of other programs and back, on the networks that the paper's own code saved. */

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeNpz, encodeNpz } from "../../src/interchange/npz.ts";
import { formatConvolution, parseConvolution } from "../../src/structured/convolution-text.ts";
import { readCheckpointFile } from "../../src/train/node/checkpoint-files.ts";
import { decodeSafetensors, encodeSafetensors, type NamedArray } from "../../src/train/safetensors.ts";
import { jsonLines, runCli } from "./run-cli.ts";

const golden = fileURLToPath(new URL("../fixtures/wrn_step/", import.meta.url));

let folder = "";
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "separable-convert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const convert = async (...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> => runCli(["convert", ...argv]);
const wrn = (conv: string): string[] => ["--network", "wrn", "--depth", "10", "--width", "1", "--conv", conv];

/** The state dict that the paper's code saved after three steps, as PyTorch writes it: counters are int64 there. */
async function stateDict(file: string): Promise<Map<string, NamedArray>> {
  const { tensors } = decodeSafetensors(await readFile(join(golden, file)), file);
  const section = (prefix: string): [string, NamedArray][] =>
    [...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, array]) => [name.slice(prefix.length), array]);
  // What training leaves as it was, such as the hashes, the fixture holds in its first section only.
  return new Map([...section("init/"), ...section("after3/")]);
}

async function index(): Promise<{ conv: string; file: string }[]> {
  return (JSON.parse(await readFile(join(golden, "index.json"), "utf8")) as { cases: { conv: string; file: string }[] }).cases;
}

const denseState = async (): Promise<Map<string, NamedArray>> => stateDict((await index()).find(({ conv }) => conv === "Conv")!.file);

const numbers = (arrays: ReadonlyMap<string, NamedArray>): Map<string, unknown> =>
  new Map([...arrays].sort(([a], [b]) => a.localeCompare(b)).map(([name, { shape, data }]) => [name, { shape, data: Array.from(data) }]));

describe("the paper's networks", async () => {
  test.each(await index())(
    "$conv: PyTorch's state dict becomes a run, and the run that state dict again, number for number",
    async ({ conv, file }) => {
      const saved = await stateDict(file);
      await writeFile(at(`${conv}.safetensors`), encodeSafetensors(saved));
      expect(await convert(at(`${conv}.safetensors`), at(conv), ...wrn(conv))).toMatchObject({ code: 0, stderr: "" });
      expect(numbers((await readCheckpointFile(join(at(conv), "checkpoint.safetensors"))).model)).toEqual(numbers(saved));
      for (const extension of ["safetensors", "npz"]) {
        expect(await convert(at(conv), at(`${conv}-back.${extension}`))).toMatchObject({ code: 0, stderr: "" });
        const bytes = await readFile(at(`${conv}-back.${extension}`));
        const back = extension === "npz" ? decodeNpz(bytes, "back") : decodeSafetensors(bytes, "back").tensors;
        expect(numbers(back)).toEqual(numbers(saved));
      }
      // The run is one like any other: it can be tested, and gone on with.
      const evaluated = await runCli(["eval", "--run", at(conv), "--data", "synthetic", "--limit-test", "4", "--threads", "1", "--json"]);
      expect(jsonLines(evaluated.stdout)[0]).toMatchObject({ network: `wrn-10-1-${formatConvolution(parseConvolution(conv))}`, count: 4 });
    },
  );
});

test("a file without a configuration needs options that describe its network, and a run refuses them", async () => {
  await writeFile(at("bare.npz"), encodeNpz(await denseState()));
  const bare = await convert(at("bare.npz"), at("from-npz"));
  expect(bare.stderr).toMatch(/ConfigError: convert: .*bare\.npz does not say what its network is; describe it, such as --network wrn/);
  expect((await convert(at("bare.npz"), at("from-npz"), ...wrn("Conv"))).code).toBe(0);
  const told = await convert(at("from-npz"), at("again"), "--depth", "16");
  expect(told.stderr).toMatch(/ConfigError: convert: .* records its network, got --depth too; leave out what it records/);
  const wrong = await convert(at("bare.npz"), at("wrong"), ...wrn("Sep"));
  expect(wrong.stderr).toMatch(/StateError: checkpoint .*bare\.npz: the state must fit the network, got .* is missing/);
  expect((await convert(at("absent.npz"), at("x"))).stderr).toMatch(/ConfigError: convert: .*absent\.npz must be readable/);
  const classes = await convert(at("bare.npz"), at("hundred"), ...wrn("Conv"), "--data", "cifar100");
  expect(classes.stderr).toMatch(/must have the 100 classes of cifar100, got 10; choose with --data/);
});

test("the output names the network of an ONNX file", async () => {
  await writeFile(at("onnx.npz"), encodeNpz(await denseState()));
  const { stdout, code } = await convert(
    at("onnx.npz"),
    at("net.onnx"),
    ...wrn("Conv"),
    "--input",
    "32",
    "--batch",
    "3",
    "--weights",
    "folded",
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/net\.onnx: wrn-10-1-Conv on \[3,3,32,32\], folded, 0?\.\d MB$/m);
});

test("an ONNX file may take any number of images", async () => {
  await writeFile(at("open.npz"), encodeNpz(await denseState()));
  const { stdout, code } = await convert(at("open.npz"), at("open.onnx"), ...wrn("Conv"), "--input", "32", "--batch", "any");
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/wrn-10-1-Conv on \[any,3,32,32\], contracted/) });
  const refusal = await convert(at("open.npz"), at("no.onnx"), ...wrn("Conv"), "--batch", "some");
  expect(refusal.stderr).toMatch(/--batch must be an integer in \[1, 65536\], or any, got "some"/);
});

describe("files of the PyTorch world", () => {
  const conv = wrn("Conv");
  const refused = async (name: string, content: Uint8Array | string, message: RegExp): Promise<void> => {
    await writeFile(at(name), content);
    for (const argv of [
      ["convert", at(name), at("unwritten"), ...conv],
      ["eval", "--checkpoint", at(name), "--depth", "10"],
    ]) {
      const { code, stderr } = await runCli(argv);
      expect(code).toBe(1);
      expect(stderr).toMatch(message);
    }
  };

  test("written here have the metadata that its libraries expect", async () => {
    await writeFile(at("meta.npz"), encodeNpz(await denseState()));
    expect((await convert(at("meta.npz"), at("meta.safetensors"))).code).toBe(0);
    expect(decodeSafetensors(await readFile(at("meta.safetensors")), "x").metadata).toEqual({ format: "pt" });
  });

  test("with foreign metadata, wrapped names and BF16 are read by convert, eval and predict, with a note", async () => {
    const state = await denseState();
    // BF16 is the upper half of a float32.
    const header: [string, unknown][] = [["__metadata__", { format: "pt" }]];
    const parts: Uint8Array[] = [];
    let end = 0;
    for (const [name, { shape, data }] of state) {
      const half = new Uint8Array(Uint16Array.from(new Uint32Array(Float32Array.from(data).buffer), (bits) => bits >>> 16).buffer);
      header.push([`module.${name}`, { dtype: "BF16", shape, data_offsets: [end, end + half.length] }]);
      parts.push(half);
      end += half.length;
    }
    const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    await writeFile(at("wrapped.safetensors"), Buffer.concat([length, json, ...parts]));
    const note = `note: the prefix module. was removed from the names in ${at("wrapped.safetensors")}\n`;
    expect(await convert(at("wrapped.safetensors"), at("wrapped"), ...conv)).toMatchObject({ code: 0, stderr: note });
    const run = await readCheckpointFile(join(at("wrapped"), "checkpoint.safetensors"));
    const rounded = (value: number): number =>
      new Float32Array(Uint32Array.of(new Uint32Array(Float32Array.of(value).buffer)[0]! & 0xffff0000).buffer)[0]!;
    expect(Array.from(run.model.get("fc.weight")!.data)).toEqual(Array.from(state.get("fc.weight")!.data, rounded));
    const synthetic = ["--data", "synthetic", "--threads", "1", "--json"];
    const evaluated = await runCli(["eval", "--checkpoint", at("wrapped.safetensors"), ...conv, "--limit-test", "4", ...synthetic]);
    // Another note may follow: the worker that prepares batches needs the compiled program.
    expect([evaluated.code, evaluated.stderr.slice(0, note.length)]).toEqual([0, note]);
    await writeFile(at("grey.png"), encode({ width: 32, height: 32, channels: 3, depth: 8, data: new Uint8Array(3072).fill(99) }));
    const predicted = await runCli(["predict", "--checkpoint", at("wrapped.safetensors"), ...conv, ...synthetic, at("grey.png")]);
    expect([predicted.code, predicted.stderr]).toEqual([0, note]);
  });

  test("of other formats are named, with what to do", async () => {
    await refused(
      "lfs.safetensors",
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
      /got a Git LFS pointer.*; run `git lfs pull`/,
    );
    await refused("page.safetensors", "<!doctype html><html>", /got an HTML page; download the file itself/);
    await refused(
      "net.pth",
      Buffer.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46]),
      /got a Python pickle.*; load it in Python and save it/,
    );
    const archive = Buffer.from(`PK\x03\x04${"\0".repeat(26)}archive/data.pkl`, "latin1");
    await refused("zip.pt", archive, /got a PyTorch archive.*; load it in Python and save it with safetensors\.torch\.save_file/);
  });

  test("are not written with extensions of other formats", async () => {
    await writeFile(at("source.npz"), encodeNpz(await denseState()));
    for (const name of ["net.pt", "unwritten.pth", "net.bin", "net.h5", "net.ONNX"]) {
      const { code, stderr } = await convert(at("source.npz"), at(name), ...conv);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /ConfigError: convert: the target must be a file \.safetensors, \.npz, \.onnx or a folder .*, got .*(net|unwritten)\./,
      );
      await expect(stat(at(name))).rejects.toThrow("ENOENT");
    }
    // The end of a convolution's text is no extension.
    expect((await convert(at("source.npz"), at("run-TensorTrain_0.5"), ...conv)).code).toBe(0);
  });
});
