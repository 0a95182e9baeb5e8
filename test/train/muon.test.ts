/** Muon against plain matrices: its polynomial acts on the singular values alone, and its steps follow their recurrence. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { frobenius, type Matrix, matrix, product, transposed } from "../../src/linalg/matrix.ts";
import { svd } from "../../src/linalg/svd.ts";
import { Parameter } from "../../src/nn/state.ts";
import { tensor } from "../../src/ops/creation.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { CombinedOptimizer } from "../../src/train/combined-optimizer.ts";
import { Muon } from "../../src/train/muon.ts";
import { orthogonalise } from "../../src/train/orthogonalise.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { seeds } from "../arbitraries/values.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sample } from "../support/sample.ts";
import { copyState, named } from "./optimizers.ts";

onReferenceBackend();

const toTensor = ({ rows, columns, data }: Matrix): Tensor => tensor(data, { shape: [rows, columns] });
const random = (rows: number, columns: number, seed: number): Matrix => matrix(rows, columns, sample([rows, columns], seed, -1, 1).values);

/** U·q(…q(Σ/‖Σ‖))·Vᵀ from the decomposition, which shares no code with the products of the iteration. */
function orthogonalised(g: Matrix, steps: number): Matrix {
  const { u, s: values, v } = svd(g);
  const norm = frobenius(g.data) + 1e-7;
  const sizes = Array.from(values, (value) => {
    let s = value / norm;
    for (let i = 0; i < steps; i++) s = 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5;
    return s;
  });
  const scaled = matrix(
    u.rows,
    u.columns,
    u.data.map((value, i) => value * sizes[i % u.columns]!),
  );
  return product(scaled, transposed(v));
}

describe("orthogonalise", () => {
  test("changes the singular values by the polynomial, and keeps the singular vectors", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 6 }),
        seeds,
        async (m, n, k, seed) => {
          const g = random(m, n, seed);
          expectValues(await orthogonalise(toTensor(g), k).data(), orthogonalised(g, k).data, 1e-9);
        },
      ),
      { numRuns: 60 },
    ));

  test("brings all singular values of a well-conditioned matrix near 1 in five steps, whatever its size", async () => {
    for (const scale of [1e-3, 1, 1e3]) {
      const g = random(6, 10, 4);
      const result = await orthogonalise(
        toTensor(
          matrix(
            6,
            10,
            g.data.map((value) => value * scale),
          ),
        ),
        5,
      ).data();
      for (const value of svd(matrix(6, 10, result)).s) {
        expect(value).toBeGreaterThan(0.65);
        expect(value).toBeLessThan(1.25);
      }
    }
  });

  test("a matrix of zeros stays zeros, and a vector is refused", async () => {
    expect([...(await orthogonalise(toTensor(matrix(2, 3)), 5).data())]).toEqual([0, 0, 0, 0, 0, 0]);
    expect(() => orthogonalise(tensor([1, 2]), 5)).toThrow(ShapeError);
  });
});

const options = fc.record({ momentum: fc.constantFrom(0, 0.6), nesterov: fc.boolean(), normalise: fc.boolean() });

/** Muon on plain numbers. */
function slowMuon(
  start: Matrix,
  gradients: readonly Matrix[],
  settings: { momentum: number; nesterov: boolean; normalise: boolean; rate: number; decay: number },
): Matrix {
  const { momentum, nesterov, normalise, rate, decay } = settings;
  let w = [...start.data];
  let v = w.map(() => 0);
  for (const { data } of gradients) {
    v = v.map((old, i) => momentum * old + data[i]!);
    const direction = v.map((value, i) => (nesterov ? data[i]! + momentum * value : value));
    const step = orthogonalised(matrix(start.rows, start.columns, direction), 3).data;
    const shape = Math.sqrt(Math.max(1, start.rows / start.columns));
    // `Muon` adds 1e-7 to the norm, so that a weight of zeros has a finite scale.
    const scale = normalise ? Math.sqrt(start.rows) / (frobenius(w) + 1e-7) : 1;
    w = w.map((value, i) => value * scale - rate * (shape * step[i]! + decay * value));
  }
  return matrix(start.rows, start.columns, w);
}

describe("Muon", () => {
  test("follows its recurrence on matrices and on kernels, which are matrices [O, I·k·k]", () =>
    fc.assert(
      fc.asyncProperty(
        options,
        // Shapes with their rows and columns.
        fc.constantFrom<[number[], number, number]>(
          [[2, 3, 1, 1], 2, 3],
          [[3, 1, 2, 2], 3, 4],
          [[5, 2], 5, 2],
          [[2, 5], 2, 5],
          [[1, 3, 2], 1, 6],
        ),
        seeds,
        async (settings, [shape, rows, columns], seed) => {
          const start = random(rows, columns, seed);
          const gradients = [1, 2, 3].map((step) => random(rows, columns, seed + step));
          const p = new Parameter(tensor(start.data, { shape }));
          const muon = new Muon([{ parameters: named({ p }), weightDecay: 0.1, rateFactor: 0.5 }], { ...settings, iterations: 3 });
          for (const { data } of gradients) muon.step([tensor(data, { shape })], 0.4);
          expectValues(await p.read(), slowMuon(start, gradients, { ...settings, rate: 0.2, decay: 0.1 }).data, 1e-7);
        },
      ),
      { numRuns: 60 },
    ));

  test("continues from its state, and leaves frozen parameters alone", async () => {
    const make = () => {
      const [p, q] = [1, 2].map((seed) => new Parameter(tensor(random(2, 3, seed).data, { shape: [2, 3] })));
      return { p: p!, q: q!, muon: new Muon([{ parameters: named({ p: p!, q: q! }) }]) };
    };
    const gradient = (step: number): Tensor => tensor(random(2, 3, step).data, { shape: [2, 3] });
    const [whole, first, second] = [make(), make(), make()];
    for (const { q } of [whole, first, second]) q.trainable = false;
    for (let step = 0; step < 4; step++) whole.muon.step([gradient(step)], 0.1);
    for (let step = 0; step < 2; step++) first.muon.step([gradient(step)], 0.1);
    second.p.write(await first.p.read());
    await copyState(first.muon, second.muon);
    for (let step = 2; step < 4; step++) second.muon.step([gradient(step)], 0.1);
    expect([...(await second.p.read())]).toEqual([...(await whole.p.read())]);
    expect([...(await whole.q.read())]).toEqual([...random(2, 3, 2).data]);
  });

  test.each([
    ["a vector", () => new Muon([{ parameters: named({ p: new Parameter(tensor([1, 2])) }) }])],
    ["a vector of two axes", () => new Muon([{ parameters: named({ p: new Parameter(tensor([1, 2], { shape: [2, 1] })) }) }])],
    ["a momentum of 1", () => new Muon([], { momentum: 1 })],
    ["no iterations", () => new Muon([], { iterations: 0 })],
  ])("refuses %s", (_, make) => expect(make).toThrow(ConfigError));
});

describe("CombinedOptimizer", () => {
  const make = () => {
    const p = new Parameter(tensor(random(2, 3, 1).data, { shape: [2, 3] }));
    const q = new Parameter(tensor(Float64Array.of(1, 2)));
    return { p, q };
  };
  const gradients = (): Tensor[] => [tensor(random(2, 3, 5).data, { shape: [2, 3] }), tensor(Float64Array.of(0.5, -1))];

  test("steps each member with its own gradients, as if the members stepped alone", async () => {
    const [together, alone] = [make(), make()];
    const combined = new CombinedOptimizer(
      new Muon([{ parameters: named({ p: together.p }) }]),
      new Sgd([{ parameters: named({ q: together.q }) }], { momentum: 0.9 }),
    );
    expect(combined.values).toEqual([together.p.value, together.q.value]);
    const [first, second] = [
      new Muon([{ parameters: named({ p: alone.p }) }]),
      new Sgd([{ parameters: named({ q: alone.q }) }], { momentum: 0.9 }),
    ];
    for (let step = 0; step < 2; step++) {
      const [a, b] = gradients();
      combined.step([a!, b!], 0.1);
      first.step([a!], 0.1);
      second.step([b!], 0.1);
    }
    expect([...(await together.p.read())]).toEqual([...(await alone.p.read())]);
    expect([...(await together.q.read())]).toEqual([...(await alone.q.read())]);
    expect([...combined.state().keys()]).toEqual(["0:velocity.p", "1:steps", "1:velocity.q"]);
  });

  test("refuses a parameter in two members", () => {
    const { q } = make();
    const sgd = () => new Sgd([{ parameters: named({ q }) }]);
    expect(() => new CombinedOptimizer(sgd(), sgd())).toThrow("one optimiser only");
  });
});
