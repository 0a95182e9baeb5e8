/** Networks as text: the tree of layers, and the table of `summary`. */

import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Context } from "../../src/core/context.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { type SummaryRow, summary } from "../../src/count/summary.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Residual, Sequential } from "../../src/nn/combinators.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { freeze } from "../../src/nn/freeze.ts";
import type { Build } from "../../src/nn/init.ts";
import { Dropout, Flatten, MaxPool2d, ReLU } from "../../src/nn/layers.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Layer, Module } from "../../src/nn/module.ts";
import { Parameter } from "../../src/nn/state.ts";
import { zeros } from "../../src/ops/creation.ts";
import { multiply } from "../../src/ops/elementwise.ts";
import { convolutionFactory, createLinear } from "../../src/structured/create-convolution.ts";
import { families } from "../../src/structured/families.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

const build = (): Build => ({ random: new Random(1) });
const network = (): Sequential =>
  new Sequential(
    new Conv2d(3, 16, 3, build(), { stride: 2, padding: 1, bias: true }),
    new Residual(new Sequential(new BatchNorm2d(16, build()), ReLU())),
    MaxPool2d({ kernel: 2 }),
    Flatten(),
    Dropout(0.1),
    new Linear(64, 10, build(), { bias: false }),
  );

const tree = `Sequential(
  (0): Conv2d(3, 16, kernel=3, stride=2, padding=1, bias=true)
  (1): Residual(
    (f): Sequential(
      (0): BatchNorm2d(16)
      (1): ReLU()
    )
  )
  (2): MaxPool2d(kernel=2)
  (3): Flatten()
  (4): Dropout(0.1)
  (5): Linear(64, 10, bias=false)
)`;

test("a network is printed as PyTorch's tree, and every layer names itself", () => {
  const printed = network();
  expect(String(printed)).toBe(tree);
  expect(`${printed}`).toBe(tree);
  expect(inspect(printed)).toBe(tree);
});

test("a class of the user's own shows its layers and its parameters with their shapes", () => {
  class Own extends Module {
    readonly gain = new Parameter(zeros([4]));
    readonly heads = [new Linear(4, 2, build())];
    override describe() {
      return { kind: "Own", options: { heads: 1 } };
    }
  }
  expect(String(new Own())).toBe("Own(\n  heads=1\n  (gain): Parameter float32 [4]\n  (heads.0): Linear(4, 2)\n)");
});

test.each(families.filter(({ kind }) => kind !== "Conv" && kind !== "Sep").map(({ kind, examples }) => [kind, examples.inspect] as const))(
  "%s says its family, its sizes, and its ranks or the like",
  (_, spec) => {
    const map = createLinear(spec, 64, 64, build(), { init: "variance-preserving" });
    expect(String(map)).toMatch(new RegExp(`^${map.name}\\(64, 64, \\w+=`));
  },
);

test("summary has a row for each layer, and the totals of the network", () => {
  const shown = network();
  const table = summary(shown, [1, 3, 8, 8]);
  expect(table.rows.map(({ name, output, parameters }) => [name, output, parameters])).toEqual([
    ["0", [1, 16, 4, 4], 16 * 27 + 16],
    ["1.f.0", [1, 16, 4, 4], 32],
    ["1.f.1", [1, 16, 4, 4], 0],
    ["2", [1, 16, 2, 2], 0],
    ["3", [1, 64], 0],
    ["4", [1, 64], 0],
    ["5", [1, 10], 640],
  ]);
  expect(table.rows[0]!.multiplyAdds).toBe(16 * 27 * 16);
  expect(table.rows.at(-1)!.multiplyAdds).toBe(640);
  expect(table.parameters).toBe(shown.parameterCount());
  expect(String(table).split("\n").at(-1)).toMatch(/^total +1,120 +/);
  freeze(shown.layers[0]!);
  expect(String(summary(shown, [1, 3, 8, 8]))).toContain("448 of the parameters are frozen");
});

/** y = g·f(x) with a gain g of its own beside the layer f. */
class Gain extends Layer {
  readonly gain: Parameter;
  readonly f: Layer;

  constructor(channels: number, f: Layer) {
    super();
    this.gain = new Parameter(zeros([1, channels, 1, 1]));
    this.f = f;
  }

  forward(x: Tensor, context: Context): Tensor {
    return multiply(this.f.forward(x, context), this.gain.value);
  }
}

test("a class of the user's own has its name without describe()", () => {
  expect(String(new Gain(2, ReLU()))).toBe("Gain(\n  (gain): Parameter float32 [1,2,1,1]\n  (f): ReLU()\n)");
});

test("the rows of a summary add up to its totals, whatever layers have beside those inside them", () => {
  const layers = fc.letrec<{ layer: Layer }>((tie) => ({
    layer: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null).map((): Layer => new Conv2d(4, 4, 3, build(), { padding: 1 })),
      fc.constant(null).map((): Layer => new BatchNorm2d(4, build())),
      fc
        .constant(null)
        .map((): Layer => convolutionFactory({ kind: "LR", scale: 0.5 })({ inChannels: 4, outChannels: 4, kernel: 3 }, build())),
      tie("layer").map((layer): Layer => new Gain(4, layer)),
      tie("layer").map((layer): Layer => new Residual(layer)),
      fc.array(tie("layer"), { maxLength: 3 }).map((inner): Layer => new Sequential(...inner)),
    ),
  })).layer;
  fc.assert(
    fc.property(fc.array(layers, { minLength: 1, maxLength: 3 }), (inner) => {
      const { rows, parameters, multiplyAdds } = summary(new Sequential(...inner), [2, 4, 5, 5]);
      const sum = (of: (row: SummaryRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
      expect([sum((row) => row.parameters), sum((row) => row.multiplyAdds)]).toEqual([parameters, multiplyAdds]);
    }),
  );
});

test("summary computes nothing, leaves the network as it was, and refuses inputs that do not fit", () => {
  const shown = network();
  const { forward } = shown.layers[0]!;
  expect(summary(shown, [1000, 3, 8, 8]).rows[0]!.output).toEqual([1000, 16, 4, 4]);
  expect(() => summary(shown, [1, 4, 8, 8])).toThrow(ShapeError);
  expect(shown.layers[0]!.forward).toBe(forward);
  expect(Object.hasOwn(shown.layers[0]!, "forward")).toBe(false);
});
