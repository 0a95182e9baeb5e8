/** Muon against plain matrices: its polynomial acts on the singular values alone, and its steps follow their recurrence. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, ShapeError } from "../../src/core/errors.ts";
import { frobenius, type Matrix, matrix, product, transposed } from "../../src/linalg/matrix.ts";
import { svd } from "../../src/linalg/svd.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
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

/** The flat indices of a view's matrices, as a list of rows for each: the digits of an index say where it belongs. */
function matrixPlaces({ shape, axes }: { readonly shape: readonly number[]; readonly axes: string }): number[][][] {
  const matrices: number[][][] = [];
  for (let index = 0; index < shape.reduce((product, size) => product * size, 1); index++) {
    const at = { b: 0, r: 0, c: 0 };
    for (const [axis, size] of shape.entries()) {
      const after = shape.slice(axis + 1).reduce((product, each) => product * each, 1);
      const letter = axes[axis] as keyof typeof at;
      at[letter] = at[letter] * size + (Math.floor(index / after) % size);
    }
    matrices[at.b] ??= [];
    matrices[at.b]![at.r] ??= [];
    matrices[at.b]![at.r]![at.c] = index;
  }
  return matrices;
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

  test("makes the step of each matrix by itself, wherever the view finds the matrix's numbers", () => {
    // An axis has a size and a letter: of the batch, of the rows or of the columns.
    const axis = fc.record({ size: fc.integer({ min: 1, max: 3 }), letter: fc.constantFrom("b", "r", "c") });
    const views = fc
      .array(axis, { minLength: 2, maxLength: 4 })
      .filter((axes) => axes.filter(({ size }) => size > 1).length > 1)
      .map((axes) => ({ shape: axes.map(({ size }) => size), axes: axes.map(({ letter }) => letter).join("") }));
    return fc.assert(
      fc.asyncProperty(options, views, seeds, async (settings, view, seed) => {
        const places = matrixPlaces(view);
        const [start, gradient] = [0, 1].map((step) => random(1, places.flat(2).length, seed + step).data);
        // The parameter need not have the axes of the view.
        const p = new Parameter(tensor(start!, { shape: [view.shape[0]!, ...view.shape.slice(1), 1] }));
        p.matrices = view;
        const muon = new Muon([{ parameters: named({ p }), weightDecay: 0.1 }], { ...settings, normalise: false, iterations: 3 });
        muon.step([tensor(gradient!, { shape: p.shape })], 0.4);
        const values = await p.read();
        for (const place of places) {
          const part = (data: ArrayLike<number>): Matrix =>
            matrix(
              place.length,
              place[0]!.length,
              Float64Array.from(place.flat(), (at) => data[at]!),
            );
          const expected = slowMuon(part(start!), [part(gradient!)], { ...settings, normalise: false, rate: 0.4, decay: 0.1 });
          expectValues(part(values).data, expected.data, 1e-7);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("steps a grouped convolution as it steps one convolution for each group", async () => {
    const [groups, inputs, outputs, kernel] = [3, 2, 4, 3];
    const size = outputs * inputs * kernel ** 2;
    const whole = random(1, groups * size, 1).data;
    const gradient = random(1, groups * size, 2).data;
    const stepped = async (data: Float64Array, slope: Float64Array, inGroups: number): Promise<ArrayLike<number>> => {
      const weight = tensor(data, { shape: [inGroups * outputs, inputs, kernel, kernel] });
      const layer = Conv2d.of({ weight }, { groups: inGroups });
      new Muon([{ parameters: layer.parameters() }]).step([tensor(slope, { shape: layer.weight.shape })], 0.1);
      return layer.weight.read();
    };
    const together = Array.from(await stepped(whole, gradient, groups));
    for (let group = 0; group < groups; group++) {
      const [from, to] = [group * size, (group + 1) * size];
      const alone = await stepped(whole.slice(from, to), gradient.slice(from, to), 1);
      expectValues(Float64Array.from(together.slice(from, to)), alone, 1e-9);
    }
  });

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
