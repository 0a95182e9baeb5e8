/** WRN-10-1 against numbers of the reference PyTorch code: logits, loss, gradients, statistics, and the state after 1 and 3 steps. */

import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { useBackend } from "../../src/backend/active.ts";
import type { Kernels } from "../../src/backend/kernels.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-kernels.ts";
import { createWasmBackend } from "../../src/backend/wasm/wasm-backend.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { tensor } from "../../src/ops/creation.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { DType } from "../../src/tensor/storage.ts";
import { decodeSafetensors, type NamedArray } from "../../src/train/safetensors.ts";
import { Sgd } from "../../src/train/sgd.ts";

const load = (file: string): ReadonlyMap<string, NamedArray> =>
  decodeSafetensors(readFileSync(new URL(`../fixtures/wrn_step/${file}`, import.meta.url)), file).tensors;

const golden = load("wrn10_1_Conv.safetensors");
const { x, labels } = Object.fromEntries(load("common.safetensors")) as { x: NamedArray; labels: NamedArray };

/** The entries of one section, such as all whose names begin with `grad/`, by parameter name. */
const section = (name: string): Map<string, NamedArray> =>
  new Map([...golden].flatMap(([key, value]) => (key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), value]] : [])));

/** The largest difference, divided by the largest expected magnitude. */
function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!);
    difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return got.length === expected.length ? difference / Math.max(scale, Number.MIN_VALUE) : Infinity;
}

interface Case {
  readonly name: string;
  readonly backend: () => Promise<Kernels> | Kernels;
  readonly dtype: DType;
  readonly tolerance: number;
  /** The reference code computed in both precisions. These are the names of the numbers in the precision of the case. */
  readonly suffix: { logits: string; gradient: string; statistics: string; after3: string };
}

const double = { logits: "logits64", gradient: "grad64", statistics: "bn1_64", after3: "after3_64" };
const single = { logits: "logits", gradient: "grad", statistics: "bn1", after3: "after3" };

const cases: readonly Case[] = [
  { name: "reference float64", backend: createReferenceBackend, dtype: "float64", tolerance: 1e-9, suffix: double },
  { name: "reference float32", backend: createReferenceBackend, dtype: "float32", tolerance: 1e-4, suffix: single },
  { name: "wasm, one thread", backend: () => createWasmBackend({ threads: 1 }), dtype: "float32", tolerance: 1e-4, suffix: single },
  { name: "wasm, two threads", backend: () => createWasmBackend({ threads: 2 }), dtype: "float32", tolerance: 1e-4, suffix: single },
];

afterEach(() => useBackend(undefined));

describe.each(cases)("WRN-10-1 Conv on $name", ({ backend, dtype, tolerance, suffix }) => {
  test("reproduces logits, loss, gradients, statistics and parameters", async () => {
    useBackend(await backend());
    const model = new WideResNet({ depth: 10, width: 1 }, { random: new Random(0), dtype });
    model.loadState(section("init"));
    const parameters = model.parameters();
    const optimizer = new Sgd([{ parameters, weightDecay: 5e-4 }], { momentum: 0.9 });
    const images = tensor(x.data, { shape: x.shape, dtype });

    const check = async (what: string, expected: NamedArray, got: { data(): Promise<ArrayLike<number>> }): Promise<void> => {
      expect(relativeError(await got.data(), expected.data), what).toBeLessThanOrEqual(tolerance);
    };
    const checkState = async (name: string): Promise<void> => {
      const expected = section(name);
      expect(expected.size).toBeGreaterThan(20);
      const state = model.state();
      for (const [key, value] of expected) await check(`${name}/${key}`, value, { data: () => state.get(key)!.read() });
    };

    for (const step of [1, 2, 3]) {
      const { loss, logits, attention, grads } = scope(() => {
        const out = model.forwardWithAttention(images, { training: true });
        const loss = crossEntropy(out.logits, labels.data);
        return {
          ...out,
          loss,
          grads: gradients(
            loss,
            optimizer.parameters.map(({ value }) => value),
          ),
        };
      });
      if (step === 1) {
        await check("logits", golden.get(suffix.logits)!, logits);
        for (const [i, map] of attention.entries())
          await check(`attention${i}`, golden.get(`attention${i}${dtype === "float64" ? "64" : ""}`)!, map);
        const expected = section(suffix.gradient);
        expect([...expected.keys()].sort()).toEqual([...parameters.keys()].sort());
        for (const [i, name] of [...parameters.keys()].entries()) await check(`gradient of ${name}`, expected.get(name)!, grads[i]!);
        await checkState(suffix.statistics);
      }
      const expectedLoss = (
        dtype === "float64"
          ? [2.4458153674964755, 2.045516308630157, 1.4749826491900184]
          : [2.445815324783325, 2.0455162525177, 1.474982738494873]
      )[step - 1]!;
      expect(relativeError([await loss.item()], [expectedLoss]), `loss ${step}`).toBeLessThanOrEqual(tolerance);
      optimizer.step(grads, 0.1);
      for (const tensor of [loss, logits, ...attention, ...grads]) tensor.dispose();
      if (step === 1 && dtype === "float32") await checkState("after1");
    }
    await checkState(suffix.after3);
    const evaluated = scope(() => model.forward(images, { training: false }));
    await check("eval logits", golden.get(`eval_logits_after3${dtype === "float64" ? "64" : ""}`)!, evaluated);
  });
});
