/** WideResNet: its number of parameters, its state names, its forward pass, and the options that it refuses. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { Random } from "../../src/core/random.ts";
import { NoDraws } from "../../src/count/no-draws.ts";
import { WideResNet } from "../../src/models/wide-resnet.ts";
import { zeros } from "../../src/ops/creation.ts";
import { Sep } from "../../src/structured/create-convolution.ts";
import { Conv } from "../../src/structured/dense.ts";
import { expectValues } from "../support/nd-array.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";
import { sampleTensor } from "../support/sample.ts";

onReferenceBackend();

interface Row {
  readonly network: string;
  readonly conv: "Conv" | "Sep";
  readonly depth: number;
  readonly width: number;
  readonly num_classes: number;
  readonly params: number;
}

const golden = (JSON.parse(readFileSync(new URL("../fixtures/counts.json", import.meta.url), "utf8")) as Row[]).filter(
  ({ network, conv }) => network === "WideResNet" && ["Conv", "Sep"].includes(conv),
);
const published: Row[] = (
  [
    [10, 1, 77_850],
    [16, 1, 175_066],
    [16, 2, 691_674],
    [16, 4, 2_748_890],
    [40, 1, 563_930],
    [40, 2, 2_243_546],
  ] as const
).map(([depth, width, params]) => ({ network: "WideResNet", conv: "Conv", depth, width, num_classes: 10, params }));

test.each([...published, ...golden])(
  "WRN-$depth-$width of $conv for $num_classes classes has $params parameters",
  ({ conv, depth, width, num_classes, params }) => {
    const net = new WideResNet({ depth, width, classes: num_classes, convolution: { Conv, Sep }[conv] }, { random: new NoDraws() });
    expect(net.parameterCount()).toBe(params);
    net.dispose();
  },
);

const small = (options = {}): WideResNet => new WideResNet({ depth: 10, width: 1, ...options }, { random: new Random(1) });

test("the state names are those of the reference code", () => {
  const names = [...small().state().keys()];
  expect(names).toContain("conv1.weight");
  expect(names).toContain("block1.0.layer.0.bn1.running_mean");
  expect(names).toContain("block2.0.layer.0.conv1.conv.weight");
  expect(names).toContain("block2.0.layer.0.convShortcut.weight");
  expect(names).not.toContain("block1.0.layer.0.convShortcut.weight");
  expect([...small({ convolution: Sep }).state().keys()]).toContain("block3.0.layer.0.conv2.pointwise.weight");
});

describe("forward", () => {
  const x = () => sampleTensor([2, 3, 8, 8], 1);
  const float64 = (options = {}): WideResNet =>
    new WideResNet({ depth: 10, width: 1, ...options }, { random: new Random(1), dtype: "float64" });

  test("gives logits, and an attention map of unit norm for each group", async () => {
    const { logits, attention } = float64({ classes: 7 }).forwardWithAttention(x(), { training: false });
    expect(logits.shape).toEqual([2, 7]);
    expect(attention.map((map) => map.shape)).toEqual([
      [2, 64],
      [2, 16],
      [2, 4],
    ]);
    for (const map of attention) {
      const values = [...(await map.data())];
      for (const half of [values.slice(0, values.length / 2), values.slice(values.length / 2)])
        expectValues([half.reduce((sum, v) => sum + v * v, 0)], [1]);
    }
  });

  test("dropout acts in training only, and needs a random stream there", async () => {
    const net = float64({ dropout: 0.5 });
    expect(() => net.forward(x(), { training: true })).toThrow(ConfigError);
    const train = async (seed: number): Promise<number[]> => [
      ...(await net.forward(x(), { training: true, random: new Random(seed) }).data()),
    ];
    expect(await train(1)).not.toEqual(await train(2));
    const evaluate = async (): Promise<number[]> => [...(await net.forward(x(), { training: false }).data())];
    expect(await evaluate()).toEqual(await evaluate());
  });

  test("the same seed gives the same network", async () => {
    const run = async (seed: number): Promise<ArrayLike<number>> =>
      new WideResNet({ depth: 10, width: 1 }, { random: new Random(seed) }).forward(zeros([1, 3, 8, 8]), { training: false }).data();
    expect(await run(1)).toEqual(await run(1));
  });
});

test.each([{ depth: 11 }, { depth: 4 }, { depth: 10.5 }, { width: 0 }, { width: 1.5 }])("refuses %j", (options) =>
  expect(() => small(options)).toThrow(ConfigError),
);
