/** The page of the browser test: it compares a training step of WRN-10-1 on the wasm backend with one on the reference backend. */

import {
  createReferenceBackend,
  crossEntropy,
  decodeNpz,
  encodeNpz,
  exportOnnx,
  gradients,
  initBackend,
  memory,
  normal,
  Random,
  scope,
  useBackend,
  WideResNet,
} from "../../src/index.ts";

export interface PageReport {
  readonly isolated: boolean;
  readonly threads: number;
  readonly loss: readonly [wasm: number, reference: number];
  /** The largest difference in any gradient, relative to the largest element of that gradient. */
  readonly worstGradient: number;
  /** Storages that are left after the step. */
  readonly leftover: number;
  /** The bytes of an ONNX file of the network, as they come out of a compressed archive of NumPy. */
  readonly onnx: readonly number[];
}

/** The loss and every gradient of one step, by parameter name. */
async function step(): Promise<{ loss: number; gradients: Map<string, ArrayLike<number>> }> {
  const model = new WideResNet({ depth: 10, width: 1 }, { random: new Random(1) });
  const parameters = model.parameters();
  const { loss, grads } = scope(() => {
    const images = normal([2, 3, 32, 32], new Random(2));
    const loss = crossEntropy(model.forward(images, { training: true }), [3, 7]);
    return {
      loss,
      grads: gradients(
        loss,
        [...parameters.values()].map(({ value }) => value),
      ),
    };
  });
  const names = [...parameters.keys()];
  const values = new Map(await Promise.all(grads.map(async (g, i): Promise<[string, ArrayLike<number>]> => [names[i]!, await g.data()])));
  const result = { loss: await loss.item(), gradients: values };
  for (const tensor of [loss, ...grads]) tensor.dispose();
  model.dispose();
  return result;
}

function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [differences, sizes] = [Array.from(a, (v, i) => Math.abs(v - b[i]!)), Array.from(b, Math.abs)];
  return Math.max(...differences) / Math.max(...sizes);
}

/** An ONNX file, packed into an archive and unpacked again. */
async function onnxThroughArchive(): Promise<number[]> {
  const model = new WideResNet({ depth: 10, width: 1 }, { random: new Random(1) });
  const data = await exportOnnx(model, { imageShape: [3, 32, 32] });
  const archive = encodeNpz(new Map([["network", { shape: [data.length], data }]]), { compress: true });
  return Array.from(decodeNpz(archive, "memory").get("network")!.data);
}

async function report(): Promise<PageReport> {
  // A page that is not isolated must get one thread by default.
  const { threads } = await initBackend(["wasm"], globalThis.crossOriginIsolated ? { threads: 2 } : {});
  const wasm = await step();
  const leftover = memory().storages;
  useBackend(createReferenceBackend());
  const reference = await step();
  const differences = [...reference.gradients].map(([name, g]) => relativeDifference(wasm.gradients.get(name)!, g));
  return {
    isolated: globalThis.crossOriginIsolated,
    threads,
    loss: [wasm.loss, reference.loss],
    worstGradient: Math.max(...differences),
    leftover,
    onnx: await onnxThroughArchive(),
  };
}

Object.assign(globalThis, { report });
