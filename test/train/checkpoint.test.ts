import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { DataError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { decodeCheckpoint, encodeCheckpoint, restoreModel, restoreTrainer } from "../../src/train/checkpoint.ts";
import { decodeModel } from "../../src/train/model-file.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { trainEpochs } from "../../src/train/train-epochs.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { stateOf, TinyNetwork, tinyConfig, tinyTraining } from "./tiny-training.ts";

beforeAll(() => useBackend(createReferenceBackend()));
afterAll(() => useBackend(undefined));

async function trained() {
  const { trainer, options } = tinyTraining(tinyConfig);
  await trainEpochs(trainer, { ...options, maximumSteps: 2 });
  return trainer;
}

describe("a damaged checkpoint is refused", () => {
  test("when it is cut anywhere", async () => {
    const bytes = await encodeCheckpoint(await trained(), { any: "thing" });
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async (length) => {
        await expect(decodeCheckpoint(bytes.subarray(0, length), "cut.safetensors")).rejects.toThrow(DataError);
      }),
    );
  });

  test("when any one bit is changed", async () => {
    const bytes = await encodeCheckpoint(await trained(), { any: "thing" });
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (at, bit) => {
        const damaged = bytes.slice();
        damaged[at]! ^= 1 << bit;
        await expect(decodeCheckpoint(damaged, "damaged.safetensors")).rejects.toThrow(/damaged\.safetensors/);
        await expect(decodeCheckpoint(damaged, "damaged.safetensors")).rejects.toThrow(DataError);
      }),
      { numRuns: 300 },
    );
  });
});

test("the configuration is read as it was written", async () => {
  const config = { nested: { list: [1, 2], name: "ünïcode" }, nothing: null };
  expect((await decodeCheckpoint(await encodeCheckpoint(await trained(), config), "x")).config).toEqual(config);
});

test("a model that is loaded from a run has the classes and the normalisation of the run", async () => {
  const { trainer } = tinyTraining(tinyConfig);
  const network = new WideResNet({ depth: 10, width: 1, classes: 2 }, { random: new Random(0) });
  const notes = { classes: ["ant", "bee"], normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.1, 0.3] } };
  const running = { ...trainer, model: network, optimizer: new Sgd([{ parameters: network.parameters() }]) } as unknown as Trainer;
  const load = async (config: unknown) => {
    const { network: _, ...rest } = decodeModel(await encodeCheckpoint(running, config), "run");
    return rest;
  };
  expect(await load({ settings: {}, ...notes })).toEqual(notes);
  // Another program's configuration has other forms.
  for (const config of [{}, { classes: 10 }, null, "text"]) expect(await load(config)).toEqual({});
});

test("a checkpoint of another network is refused: the error names the difference, and nothing changes", async () => {
  const { trainer } = tinyTraining(tinyConfig);
  const other = new TinyNetwork(5, 0, { random: new Random(0) });
  const checkpoint = await decodeCheckpoint(await encodeCheckpoint(trainer, {}), "three.safetensors");
  const before = [...(await other.fc.weight.read())];
  expect(() => restoreModel(other, checkpoint)).toThrow(DataError);
  expect(() => restoreModel(other, checkpoint)).toThrow(/three\.safetensors.*fc\.weight is \[3,4\] instead of \[5,4\]/);
  expect([...(await other.fc.weight.read())]).toEqual(before);
});

test("a checkpoint of another optimiser is refused", async () => {
  const bytes = await encodeCheckpoint(tinyTraining(tinyConfig).trainer, {});
  const { trainer } = tinyTraining({ ...tinyConfig, optimizer: "adam" });
  const checkpoint = await decodeCheckpoint(bytes, "sgd.safetensors");
  expect(() => restoreTrainer(trainer, checkpoint)).toThrow(/mean\.conv\.weight is missing/);
});

test("a state that is not finite is refused", async () => {
  const trainer = await trained();
  const weights = await trainer.model.parameters().get("conv.weight")!.read();
  weights[3] = Number.NEGATIVE_INFINITY;
  trainer.model.parameters().get("conv.weight")!.write(weights);
  await expect(encodeCheckpoint(trainer, {})).rejects.toThrow(
    /every number must be finite, got -Infinity in model\/conv\.weight at step 2/,
  );
});

test("a state dict, such as PyTorch's, is read as a network without a state of training", async () => {
  const trainer = await trained();
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array | Float64Array | Int32Array }>();
  for (const [name, entry] of trainer.model.state()) tensors.set(name, { shape: entry.shape, data: await entry.read() });
  const checkpoint = await decodeCheckpoint(encodeSafetensors(tensors), "bare.safetensors");
  const fresh = tinyTraining({ ...tinyConfig, seed: 9 }).trainer;
  restoreModel(fresh.model, checkpoint);
  const model = (state: Record<string, unknown>) => Object.entries(state).filter(([name]) => name.startsWith("model/"));
  expect(model(await stateOf(fresh))).toEqual(model(await stateOf(trainer)));
  expect(() => restoreTrainer(fresh, checkpoint)).toThrow(/bare\.safetensors must hold the state of training, got a network only/);
});

describe("a state dict that another program wrote", () => {
  const array = { shape: [1], data: Float32Array.of(1) };
  const read = (names: readonly string[], metadata: Record<string, string> = {}): ReturnType<typeof decodeCheckpoint> =>
    decodeCheckpoint(encodeSafetensors(new Map(names.map((name) => [name, array])), metadata), "pt.safetensors");

  test.each([{ format: "pt" }, { format: "tf", producer: "x" }, { note: "y" }, { sha256: "00", format: "mlx" }])(
    "is read with the metadata %o, which are kept",
    async (metadata) => {
      const { model, training, config, metadata: kept } = await read(["fc.bias"], metadata as Record<string, string>);
      expect([[...model.keys()], training, config, kept]).toEqual([["fc.bias"], undefined, undefined, metadata]);
    },
  );

  test("may have names that begin as those of a checkpoint do", async () =>
    expect([...(await read(["model/fc.bias"], { format: "pt" })).model.keys()]).toEqual(["model/fc.bias"]));

  test("loses the prefixes of PyTorch's wrappers, with a note for each", async () => {
    const { model, notes } = await read(["_orig_mod.module.conv.weight", "_orig_mod.module.fc.bias"]);
    expect([...model.keys()]).toEqual(["conv.weight", "fc.bias"]);
    expect(notes).toEqual([
      "the prefix _orig_mod. was removed from the names in pt.safetensors",
      "the prefix module. was removed from the names in pt.safetensors",
    ]);
  });

  test("keeps a prefix that not every name has", async () => {
    const { model, notes } = await read(["module.conv.weight", "fc.bias"]);
    expect([[...model.keys()], notes]).toEqual([["module.conv.weight", "fc.bias"], []]);
  });
});

test("a checkpoint of a later version is refused, and the error says so", async () => {
  const later = encodeSafetensors(new Map([["model/a", { shape: [1], data: Float32Array.of(1) }]]), { format: "separable-checkpoint-2" });
  await expect(decodeCheckpoint(later, "x")).rejects.toThrow(/x must be of format separable-checkpoint-1, got separable-checkpoint-2/);
});
