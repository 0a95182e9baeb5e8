/** Networks to the files of other programs and back, on the networks that the paper's own code saved. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeNpz, encodeNpz } from "../../src/interchange/npz.ts";
import { formatConvolution, parseConvolution } from "../../src/structured/convolution-text.ts";
import { readCheckpointFile } from "../../src/train/node/run-folder.ts";
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
  expect(wrong.stderr).toMatch(/DataError: checkpoint .*bare\.npz: the state must fit the network, got .* is missing/);
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
