/** Counting held against the paper's published and computed counts, against a real forward pass, and against counts by hand. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { kernels, useBackend } from "../../src/backend/active.ts";
import { countingBackend } from "../../src/backend/counting.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { BackendError, ConfigError, ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { countNetwork, countParameters, type LayerCount } from "../../src/count/count-network.ts";
import { createNetwork, type NetworkKind, type NetworkSpec } from "../../src/experiment/network-spec.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Sequential } from "../../src/nn/combinators.ts";
import { ConvTranspose2d } from "../../src/nn/conv-transpose2d.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import type { Build } from "../../src/nn/init.ts";
import { AvgPool2d, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU, ReLU6 } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Layer } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { zeros } from "../../src/ops/creation.ts";
import { add, multiply } from "../../src/ops/elementwise.ts";
import { parseConvolution } from "../../src/structured/convolution-text.ts";
import { convolutionFactory } from "../../src/structured/create-convolution.ts";
import type { ConvolutionSpec } from "../../src/structured/spec.ts";
import { noGrad } from "../../src/tape/tape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { structuredConfigurations, structuredKinds } from "../arbitraries/structured.ts";

afterEach(() => useBackend(undefined));

const cheap = { init: "variance-preserving" } as const;
const total = (layers: readonly LayerCount[], of: (layer: LayerCount) => number): number =>
  layers.reduce((sum, layer) => sum + of(layer), 0);

describe("the paper's counts", () => {
  interface Row {
    readonly network: string;
    readonly conv: string;
    readonly depth: number | null;
    readonly width: number | null;
    readonly num_classes: number;
    readonly input_hw: number;
    readonly params: number;
    readonly mult_adds: number;
    readonly group_lowrank_params: number;
    readonly group_other_params: number;
    readonly error?: string;
  }
  const rows = (JSON.parse(readFileSync(new URL("../fixtures/counts.json", import.meta.url), "utf8")) as Row[]).filter(
    ({ error }) => error === undefined,
  );
  /** From the paper's tables, by way of no code. */
  const published: readonly (readonly [string, number, number | undefined])[] = [
    ["Conv", 36_479_194, 5.246e9],
    ["Sep", 4_380_138, 6.297e8],
    ["TensorTrain_0.23", 598_200, undefined],
    ["TensorTrain_0.44", 1_181_863, undefined],
    ["Tucker_0.67", 2_381_200, undefined],
    ["Generic_0.03", 601_162, 8.37e7],
    ["Generic_0.24", 2_344_906, 3.38e8],
    ["SepHashed_0.50", 2_378_218, 6.297e8],
    ["Shuffle_7", 719_994, 1.01e8],
    ["Shuffle_3", 1_343_834, 1.98e8],
  ];
  const kinds: Readonly<Record<string, NetworkKind>> = {
    WideResNet: "wrn",
    WRN_50_2: "wrn-50-2",
    DARTS: "darts",
    MobileNetV2: "mobilenet-v2",
  };
  const spec = (network: string, depth: number | undefined, width: number | undefined, conv: string): NetworkSpec => ({
    kind: kinds[network]!,
    depth,
    width,
    dropout: 0,
    convolution: parseConvolution(conv),
  });

  test("there are plenty", () => expect(rows.length).toBeGreaterThan(80));

  test.each(rows)("$network $depth $width $conv for $num_classes classes", (row) => {
    const size = row.input_hw;
    const count = countNetwork(
      (build) => createNetwork(spec(row.network, row.depth ?? undefined, row.width ?? undefined, row.conv), row.num_classes, build, cheap),
      [3, size, size],
    );
    expect(count.params).toBe(row.params);
    // ACDC's logarithms leave a fraction, whose last digit depends on the order of the sum.
    expect(Math.abs(count.paperMultAdds / row.mult_adds - 1)).toBeLessThan(1e-14);
    expect(count.groups).toEqual({ compressed: row.group_lowrank_params, full: row.group_other_params });
  });

  test.each(published)("WRN-28-10 %s, as published", (conv, params, multAdds) => {
    const count = countNetwork((build) => createNetwork(spec("WideResNet", 28, 10, conv), 10, build, cheap), [3, 32, 32]);
    expect(count.params).toBe(params);
    if (multAdds !== undefined) expect(Math.abs(count.paperMultAdds / multAdds - 1)).toBeLessThan(6e-3);
  });
});

/** Two convolutions of one kind with all that stands between them. */
const chain =
  (convolution: ConvolutionSpec, inChannels: number, outChannels: number, kernel: number, stride: number) =>
  (build: Build): Sequential =>
    new Sequential(
      new BatchNorm2d(inChannels, build),
      ReLU(),
      convolutionFactory(convolution, cheap)({ inChannels, outChannels, kernel, stride }, build),
      new Sequential(GlobalAvgPool2d(), new Linear(outChannels, 3, build)),
    );

test.each(structuredKinds)("what is counted without numbers is what a real forward pass executes: %s", (kind) =>
  fc.assert(
    fc.property(structuredConfigurations(kind), fc.constantFrom(1, 3), fc.constantFrom(1, 2), (drawn, kernel, stride) => {
      const { spec, inFeatures, outFeatures, seed } = drawn;
      const create = chain(spec, inFeatures, outFeatures, kernel, stride);
      const count = countNetwork(create, [inFeatures, 6, 5]);

      const counting = countingBackend(createReferenceBackend());
      useBackend(counting.kernels);
      const model = create({ random: new Random(seed) });
      const before = counting.multiplyAdds();
      noGrad(() => model.forward(zeros([1, inFeatures, 6, 5]), { training: false }));
      expect(count.multAdds).toBe(counting.multiplyAdds() - before);
      expect(count.params).toBe(model.parameterCount());

      expect(total(count.layers, ({ params }) => params)).toBe(count.params);
      expect(total(count.layers, ({ multAdds }) => multAdds)).toBe(count.multAdds);
      expect(total(count.layers, ({ paperMultAdds }) => paperMultAdds)).toBe(count.paperMultAdds);
      expect(total(count.layers, ({ output }) => 4 * output.reduce((n, size) => n * size, output.length === 0 ? 0 : 1))).toBe(
        count.activationBytes,
      );
      expect(count.groups.compressed + count.groups.full).toBe(count.params);
      expect(count.layers.map(({ name }) => name)).toEqual(["0", "2", "3.1", ""]);
    }),
    { numRuns: 20 },
  ),
);

describe("the paper's convention, by hand", () => {
  const rowOf = (conv: string, kernel: number, stride: number): LayerCount => {
    const spec = parseConvolution(conv);
    return countNetwork(
      (build) => new Sequential(convolutionFactory(spec, cheap)({ inChannels: 16, outChannels: 32, kernel, stride }, build)),
      [16, 8, 8],
    ).layers[0]!;
  };
  /** A 3×3 window on 16 channels, at 4×4 output pixels. */
  const window = 16 * 9 * 16;

  test.each([
    ["Conv", 16 * 32 * 9 * 16],
    ["Hashed_0.1", 16 * 32 * 9 * 16],
    ["Sep", window + 16 * 32 * 16],
    ["SepHashed_0.2", window + 16 * 32 * 16],
    ["HashedSeparable_0.2", window + 16 * 32 * 16],
    ["TensorTrain_0.5", window + 16 * 32 * 16],
    ["Tucker_0.5", window + 16 * 32 * 16],
    ["CP_0.5", window + 16 * 32 * 16],
    ["Generic_0.25", window + 8 * (16 + 32) * 16],
    // The input is tiled to 32 channels.
    ["LR_0.25", window + 2 * 32 * 8 * 16],
    // Two factors at the resolution of the input, 8×8.
    ["ACDC_3", window + 2 * (4 * 32 + 5 * 32 * 5) * 64],
    // Bottleneck 8: grouped 16 → 8 at 8×8, window and grouped 8 → 32 at 4×4.
    ["Shuffle_4", ((16 * 8) / 4) * 64 + 8 * 9 * 16 + ((8 * 32) / 4) * 16],
    // None in the paper's code: four 4×4 blocks, then four of 8×4.
    ["Monarch_4", window + (4 * 4 * 4 + 4 * 8 * 4) * 16],
  ])("a 3×3 %s of stride 2", (conv, expected) => expect(rowOf(conv, 3, 2).paperMultAdds).toBe(expected));

  test("a 1×1 ACDC is counted at its output", () => expect(rowOf("ACDC_3", 1, 2).paperMultAdds).toBe(2 * (4 * 32 + 5 * 32 * 5) * 16));

  test("a transposed convolution counts C·(O/groups)·k² for each pixel of its input", () => {
    const create = (build: Build): Sequential =>
      new Sequential(new ConvTranspose2d(4, 6, 3, build, { stride: 2, groups: 2 }), GlobalAvgPool2d());
    const [layer] = countNetwork(create, [4, 5, 5]).layers;
    const multiplyAdds = 4 * 3 * 9 * 25;
    expect(layer).toMatchObject({ kind: "ConvTranspose2d", paperMultAdds: multiplyAdds, multAdds: multiplyAdds, output: [6, 11, 11] });
  });

  test("functions between layers: ReLU by element, windows by k², whole images nothing", () => {
    const create = (build: Build): Sequential =>
      new Sequential(
        new Conv2d(3, 4, 3, build, { padding: 1, bias: true }),
        ReLU(),
        MaxPool2d({ kernel: 2 }),
        ReLU6(),
        AvgPool2d({ kernel: 3, stride: 1 }),
        GlobalAvgPool2d(),
        Flatten(),
        new Linear(4, 5, build),
      );
    const { layers, activationBytes, params } = countNetwork(create, [3, 8, 8]);
    expect(layers.map(({ kind, name, paperMultAdds, output }) => ({ kind, name, paperMultAdds, output }))).toEqual([
      { kind: "Conv2d", name: "0", paperMultAdds: 3 * 4 * 9 * 64, output: [4, 8, 8] },
      { kind: "Linear", name: "7", paperMultAdds: 4 * 5 + 5, output: [5] },
      { kind: "between layers", name: "", paperMultAdds: 4 * 64 + 4 * 4 * 16 + 4 * 9 * 4, output: [] },
    ]);
    expect(params).toBe(3 * 4 * 9 + 4 + 4 * 5 + 5);
    expect(activationBytes).toBe(4 * (4 * 64 + 5));
  });
});

/** A layer of a kind that counting has never heard of. */
class Squared extends Layer {
  readonly scale: Parameter;
  readonly inner: Conv2d;

  constructor(build: Build) {
    super();
    this.scale = new Parameter(zeros([1]));
    this.inner = new Conv2d(2, 2, 1, build);
  }

  forward(x: Tensor): Tensor {
    return add(this.inner.forward(this.inner.forward(x)), multiply(x, this.scale.value));
  }
}

test("an unknown layer's own work and parameters stand between layers; a layer met twice works twice", () => {
  const { layers, params } = countNetwork((build) => new Sequential(new Squared(build)), [2, 3, 3]);
  expect(layers).toMatchObject([
    { name: "0.inner", params: 4, multAdds: 2 * 4 * 9, paperMultAdds: 2 * 4 * 9, activationBytes: 2 * 4 * 2 * 9 },
    { kind: "between layers", params: 1, multAdds: 2 * 9 },
  ]);
  expect(params).toBe(5);
});

test("a network of more numbers than any memory holds is counted", () => {
  const size = 10_000_000;
  expect(countParameters((build) => new Linear(size, size, build))).toBe(size * size + size);
  expect(countParameters((build) => new Conv2d(size, size, 1, build))).toBe(size * size);
});

describe("leaves everything as it was", () => {
  test("the layers and the backend", async () => {
    useBackend(createReferenceBackend());
    const mine = kernels();
    let layer: Conv2d | undefined;
    countNetwork(
      (build) => {
        layer = new Conv2d(2, 2, 1, build);
        return new Sequential(layer);
      },
      [2, 3, 3],
    );
    expect(Object.hasOwn(layer!, "forward")).toBe(false);
    expect(kernels()).toBe(mine);
  });

  test("also when the network cannot be built or run", () => {
    expect(() => countParameters((build) => createNetwork(wrn11, 10, build))).toThrow(ConfigError);
    expect(() => countNetwork((build) => new Sequential(new Conv2d(2, 2, 1, build)), [3, 4, 4])).toThrow(ShapeError);
    expect(() => kernels()).toThrow(BackendError);
  });

  const wrn11: NetworkSpec = { kind: "wrn", depth: 11, width: 1, dropout: 0, convolution: { kind: "Conv" } };
});
