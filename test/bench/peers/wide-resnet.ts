/** The network of the training-step benchmark, written once for all peers: only what a convolution is called differs. */

/** The ops of a library on its values `V`, parameters by their names in our state dict. */
export interface NetworkOps<V> {
  has(name: string): boolean;
  /** Stride in both axes, padding ⌊kernel/2⌋. */
  convolution(x: V, weight: string, stride: number): V;
  /** With the batch's own statistics, ε = 1e-5; running statistics, a few vectors a step, are left out in the peers' favour. */
  batchNorm(x: V, name: string): V;
  relu(x: V): V;
  add(a: V, b: V): V;
  /** Mean over height and width. */
  pool(x: V): V;
  linear(x: V, name: string): V;
  /** `x` once more, for libraries that count references. */
  again(x: V): V;
}

/** Pre-activation WideResNet (1605.07146): images → logits. */
export function wideResNet<V>(ops: NetworkOps<V>, images: V): V {
  let y = ops.convolution(images, "conv1.weight", 1);
  for (const group of [1, 2, 3])
    for (let i = 0; ops.has(`block${group}.0.layer.${i}.bn1.weight`); i++)
      y = block(ops, y, `block${group}.0.layer.${i}`, group > 1 && i === 0 ? 2 : 1);
  return ops.linear(ops.pool(ops.relu(ops.batchNorm(y, "bn1"))), "fc");
}

function block<V>(ops: NetworkOps<V>, x: V, path: string, stride: number): V {
  const widens = ops.has(`${path}.convShortcut.weight`);
  const activated = ops.relu(ops.batchNorm(widens ? x : ops.again(x), `${path}.bn1`));
  const shortcut = widens ? ops.convolution(ops.again(activated), `${path}.convShortcut.weight`, stride) : x;
  const inner = ops.relu(ops.batchNorm(ops.convolution(activated, `${path}.conv1.conv.weight`, stride), `${path}.bn2`));
  return ops.add(shortcut, ops.convolution(inner, `${path}.conv2.conv.weight`, 1));
}
