/**
 * What the wasm backend computes in SIMD and what it leaves to the reference: the predicates against their data, the data against the page.
 */

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { binaryOps, type KernelName, type Kernels, unaryOps } from "../../../src/backend/kernels.ts";
import { type Acceptance, overlay } from "../../../src/backend/overlay.ts";
import { describeSimd, placementLines, wasmPlacement } from "../../../src/backend/placement.ts";
import { createReferenceBackend } from "../../../src/backend/reference/reference-kernels.ts";
import { wasmAcceptances } from "../../../src/backend/wasm/acceptances.ts";
import { createWasmBackend, type WasmBackend } from "../../../src/backend/wasm/wasm-backend.ts";
import type { DType, Storage } from "../../../src/tensor/storage.ts";

type FastName = keyof typeof wasmAcceptances;
const fastNames = Object.keys(wasmAcceptances) as FastName[];

/** What a generated call is made of. */
interface Drawn {
  readonly dtype: DType;
  readonly length: number;
  readonly unary: (typeof unaryOps)[number];
  readonly binary: (typeof binaryOps)[number];
  /** Axes that cannot be joined, and whether an axis of size 1 stands before each. */
  readonly rank: number;
  readonly ones: boolean;
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  dtype: fc.constantFrom<DType>("float32", "float64", "int32"),
  length: fc.constantFrom(0, 1, 6),
  unary: fc.constantFrom(...unaryOps),
  binary: fc.constantFrom(...binaryOps),
  rank: fc.integer({ min: 0, max: 11 }),
  ones: fc.boolean(),
});

const storage = ({ dtype, length }: Drawn): Storage => ({ dtype, length }) as Storage;

/** A view of `rank` axes that no stride joins, as its strides grow from the outside to the inside. */
function view({ rank, ones }: Drawn) {
  const axes = Array.from({ length: rank }, (_, axis) => ({ size: 2, stride: 3 ** axis }));
  const all = ones ? axes.flatMap((axis) => [{ size: 1, stride: 7 }, axis]) : axes;
  return { shape: all.map(({ size }) => size), strides: all.map(({ stride }) => stride), offset: 0 };
}

const broadcast = ({ rank }: Drawn) => ({
  shape: new Array(rank).fill(2),
  stridesA: new Array(rank).fill(0),
  stridesB: new Array(rank).fill(0),
});

/** A call of each kernel, as its predicate sees it. */
const callOf: { readonly [Name in FastName]: (d: Drawn) => readonly unknown[] } = {
  full: (d) => [d.dtype, d.length, 1],
  readView: (d) => [storage(d), view(d)],
  assemble: (d) => [d.dtype, 9, 0, [{ source: storage(d), view: view(d) }]],
  unary: (d) => [d.unary, storage(d)],
  binary: (d) => [d.binary, storage(d), storage(d), broadcast(d)],
  accumulate: (d) => [storage(d), storage(d)],
  select: (d) => [storage(d), storage(d), storage(d)],
  clamp: (d) => [storage(d), 0, 1],
  reduce: (d) => ["sum", storage(d), {}],
  argmax: (d) => [storage(d), {}],
  gather: (d) => [storage(d), { dtype: "int32", length: 2 }, {}],
  scatterAdd: (d) => [storage(d), { dtype: "int32", length: 2 }, {}],
  cosineTransform: (d) => [storage(d), false, {}],
  matmul: (d) => [storage(d), storage(d), {}],
  conv2d: (d) => [storage(d), storage(d), {}],
  conv2dInputGradient: (d) => [storage(d), storage(d), {}],
  conv2dWeightGradient: (d) => [storage(d), storage(d), {}],
  separableConv2d: (d) => [storage(d), storage(d), storage(d), {}],
  separableConv2dGradient: (d) => [storage(d), storage(d), storage(d), storage(d), {}],
  normSeparableConv2d: (d) => [storage(d), {}, storage(d), storage(d), {}],
  normSeparableConv2dGradient: (d) => [storage(d), {}, storage(d), storage(d), storage(d), {}],
  maxPool2d: (d) => [storage(d), {}],
  channelAffine: (d) => [storage(d), storage(d), storage(d), {}, {}],
  batchNorm: (d) => [storage(d), storage(d), storage(d), {}],
  batchNormGradient: (d) => [storage(d), storage(d), storage(d), storage(d), storage(d), {}],
  contractChannels: (d) => [storage(d), [], {}],
  contractChannelsGradient: (d) => [storage(d), [], storage(d), {}],
  contractWindow: (d) => [storage(d), storage(d), [], {}],
  contractWindowGradient: (d) => [storage(d), storage(d), [], storage(d), {}],
  normContractWindow: (d) => [storage(d), {}, storage(d), [], {}],
  normContractWindowGradient: (d) => [storage(d), {}, storage(d), [], storage(d), {}],
  sgdUpdate: (d) => [[{ parameter: storage(d), gradient: storage(d) }], {}],
  adamUpdate: (d) => [[{ parameter: storage(d), gradient: storage(d) }], {}],
};

/** Whether the data of an acceptance covers a drawn call: an oracle that never asks the predicate. */
function covers({ dtypes, maximumRank, nonEmpty }: Acceptance, d: Drawn): boolean {
  return dtypes.includes(d.dtype) && (maximumRank === undefined || d.rank <= maximumRank) && (!nonEmpty || d.length > 0);
}

describe("each fast kernel of wasm", () => {
  /** Kernels that only say who was called. */
  const saying = (who: string, names: readonly string[]): Kernels => Object.fromEntries(names.map((name) => [name, () => who])) as never;
  const allNames = Object.keys(createReferenceBackend());
  const kernels = overlay<Kernels, FastName>(saying("reference", allNames), saying("fast", fastNames), wasmAcceptances) as never as Record<
    string,
    (...call: readonly unknown[]) => string
  >;

  it.each(fastNames)("%s takes exactly the calls that its data says, the reference the others", (name) => {
    fc.assert(
      fc.property(drawn, (d) => {
        const expected = covers(wasmAcceptances[name] as Acceptance, d) ? "fast" : "reference";
        expect(kernels[name]!(...callOf[name](d))).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves the kernels without a predicate to the reference", () => {
    const plain = wasmPlacement().flatMap(({ kernel, simd }) => (simd === undefined ? [kernel] : []));
    for (const name of plain) expect(kernels[name]!()).toBe("reference");
    expect([...plain, ...fastNames].sort()).toEqual(
      wasmPlacement()
        .map(({ kernel }) => kernel as string)
        .sort(),
    );
  });
});

describe("calls that wasm leaves to the reference", () => {
  let wasm: WasmBackend;
  beforeAll(async () => {
    wasm = await createWasmBackend({ threads: 1 });
  });
  afterAll(() => wasm.dispose());

  const data = Array.from({ length: 512 }, (_, i) => Math.sin(i));
  const axes = Array.from({ length: 9 }, (_, axis) => 2 ** axis);
  const nine = { shape: axes.map(() => 2), strides: axes, offset: 0 };
  const cases: [string, DType, (k: Kernels, x: Storage) => Storage][] = [
    ["a float64 sum", "float64", (k, x) => k.reduce("sum", x, { outer: 1, axis: 512, inner: 1 })],
    ["a float64 sine", "float64", (k, x) => k.unary("sin", x)],
    [
      "a product of rank 9",
      "float32",
      (k, x) => k.binary("multiply", x, x, { shape: nine.shape, stridesA: axes, stridesB: axes.toReversed() }),
    ],
    ["a view of rank 9", "float32", (k, x) => k.readView(x, nine)],
    ["parts of rank 9", "int32", (k, x) => k.assemble("int32", 512, 0, [{ source: x, view: nine }])],
  ];

  it.each(cases)("have its bits: %s", async (_, dtype, call) => {
    const reference = createReferenceBackend();
    const [expected, actual] = [reference, wasm].map((k) => call(k, k.upload(dtype, data)).read());
    expect(await actual).toEqual(await expected);
  });
});

describe("what is said about it", () => {
  test("docs/backends.md lists every kernel as the data has it", () => {
    const page = readFileSync(new URL("../../../docs/backends.md", import.meta.url), "utf8");
    const rows = wasmPlacement().map(({ kernel, simd }) => `| \`${kernel}\` | ${simd === undefined ? "never" : describeSimd(simd)} |`);
    expect(page).toContain(`| kernel | runs in SIMD for |\n|---|---|\n${rows.join("\n")}\n\n`);
  });

  test("the lines of `separable info` name every kernel once", () => {
    const words = placementLines("wasm").flatMap(([, value]) => value.split(/[ ,()]+/));
    for (const { kernel } of wasmPlacement()) expect(words.filter((word) => word === kernel)).toEqual([kernel satisfies KernelName]);
  });

  test("no file of wasm/host knows the reference", () => {
    const host = new URL("../../../src/backend/wasm/host/", import.meta.url);
    const offending = readdirSync(host).filter((file) => /\breference(Kernels)?[./]/.test(readFileSync(new URL(file, host), "utf8")));
    expect(offending).toEqual([]);
  });
});
