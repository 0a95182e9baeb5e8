/** The network of the training-step benchmark, written once for all other libraries in terms of their ops. */

/** The ops of a library on its tensors `V`. Parameters have their names in the state dict of separable. */
export interface NetworkOps<V> {
  has(name: string): boolean;
  /** A convolution with this stride along both axes and padding ⌊kernel/2⌋. */
  convolution(x: V, weight: string, stride: number): V;
  /**
   * Normalises with the statistics of the batch and ε = 1e-5. Running statistics are left out, which saves the other libraries a little
   * time.
   */
  batchNorm(x: V, name: string): V;
  relu(x: V): V;
  add(a: V, b: V): V;
  /** The mean over height and width. */
  pool(x: V): V;
  linear(x: V, name: string): V;
  /** Another reference to `x`, for libraries that count references. */
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
