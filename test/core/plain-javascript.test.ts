/** Mistakes that a compiler would find. Programs in plain JavaScript, and programs that are run unchecked, get an error that names them. */

import { expect, test } from "vitest";
import { initBackend } from "../../src/backend/active.ts";
import { Random } from "../../src/core/random.ts";
import { gradients } from "../../src/grad/gradients.ts";
import { BatchNorm2d } from "../../src/nn/batch-norm2d.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { Linear } from "../../src/nn/linear.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { tensor } from "../../src/ops/creation.ts";
import { einsum } from "../../src/ops/einsum.ts";
import { add, relu } from "../../src/ops/elementwise.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { mean } from "../../src/ops/reductions.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { sum } from "../../src/ops/sum-and-broadcast.ts";
import { Adam } from "../../src/train/adam.ts";
import { Sgd } from "../../src/train/sgd.ts";
import { onReferenceBackend } from "../support/reference-backend.ts";

onReferenceBackend();

// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those of untyped programs.
type Any = any;
const x = () => tensor([[1, 2]]) as Any;
const linear = () => new Linear(2, 2, { random: new Random(0) }) as Any;

test.each<[string, () => unknown, RegExp]>([
  ["an axis instead of options", () => sum(x(), 1 as Any), /^sum: the options must be an object with axes, keepDims, got 1$/],
  ["null instead of options", () => mean(x(), null as Any), /^mean: the options must be an object with .*, got null$/],
  ["a list instead of options", () => sum(x(), [1] as Any), /got an array$/],
  ["an array as the second operand", () => add(x(), [1, 2] as Any), /^add: operands must be tensors, got an array as operand 2; make it/],
  [
    "a parameter as an operand",
    () => add(linear().weight, 1),
    /^add: operands must be tensors, got Parameter as operand 1; pass its value$/,
  ],
  [
    "a tensor as labels",
    () => crossEntropy(x(), x()),
    /^crossEntropy: labels must be an array of class numbers, got Tensor; a tensor gives/,
  ],
  ["options as an axis", () => softmax(x(), { axis: 0 } as Any), /^softmax: axis must be an integer in .*, got Object$/],
  ["an array as the only operand", () => relu([1] as Any), /^relu: operands must be tensors, got an array as operand 1; make it/],
  ["a list of operands", () => einsum("ij->ji", [x()] as Any), /^einsum: operands must be tensors, got an array as operand 1/],
  ["a layer as an operand", () => matmul(x(), linear()), /^matmul: operands must be tensors, got Linear as operand 2/],
  [
    "one tensor to differentiate by",
    () => gradients(sum(x()), x()),
    /wrt must be an array of tensors, got Tensor; write gradients\(loss, \[x\]\)/,
  ],
  [
    "parameters to differentiate by",
    () => gradients(sum(x()), linear().parameters()),
    /got Map; write .* gradients\(loss, optimizer\.values\)/,
  ],
  ["a parameter to differentiate by", () => gradients(sum(x()), [...linear().parameters().values()]), /got Parameter;/],
  ["a number as the loss", () => gradients(3 as Any, [x()]), /the loss must be a tensor, got 3;/],
  ["a layer without a stream", () => new (Linear as Any)(3, 2), /^layer: needs \{ random \}, got undefined; write new Linear/],
  ["a norm without a stream", () => new (BatchNorm2d as Any)(3), /^layer: needs \{ random \}, got undefined/],
  ["a bare stream", () => new (Conv2d as Any)(3, 2, 1, new Random(0)), /^layer: needs \{ random \}, got Random/],
  [
    "a seed as the stream",
    () => new (Linear as Any)(3, 2, { random: 0 }),
    /^uniform: random must be a stream, got 0; pass new Random\(0\)$/,
  ],
  ["a network as the groups", () => new Sgd(linear()), /^Sgd: needs a list of groups, got Linear; write new Sgd\(\[\{ parameters: /],
  ["parameters as the groups", () => new Adam(linear().parameters()), /^Adam: needs a list of groups, got Map;/],
])("%s", (_, act, message) => expect(act).toThrow(message));

test("a backend that is not in a list", async () => {
  await expect(initBackend("wasm" as Any)).rejects.toThrow(
    'initBackend: the backends must be in a list, got wasm; write initBackend(["wasm", "reference"])',
  );
});
