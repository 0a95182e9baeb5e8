/** The time of a training step, measured on this machine. */

import { Random } from "../core/random.ts";
import { gradients } from "../grad/gradients.ts";
import { crossEntropy } from "../nn/losses.ts";
import { tensor } from "../ops/creation.ts";
import { detach } from "../tape/tape.ts";
import { scope } from "../tensor/scope.ts";
import { Sgd } from "../train/sgd.ts";
import { createNetwork, type NetworkSpec } from "./network-spec.ts";

/** A network whose step is timed, with the images that it takes. */
export interface TimedNetwork {
  readonly spec: NetworkSpec;
  readonly classes: number;
  /** Height and width of an image, in pixels. */
  readonly size: number;
}

export interface StepTimeOptions {
  /** The number of images in a step. */
  readonly images: number;
  /** How often each network has its turn. Default: 3. */
  readonly rounds?: number;
  /** Stops between two networks when aborted. @throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each turn of a network. */
  readonly onTurn?: ((done: number, total: number) => void) | undefined;
}

/** The timed steps of a turn. A step before them compiles code and makes the momenta. */
const stepsOfTurn = 3;

/**
 * The milliseconds of a training step of each network on the active backend: forward pass, backward pass and SGD with momentum, on random
 * images. The networks have their turns one after another, so that a slow minute of the machine is shared by all, and the result is the
 * median over all turns.
 */
export async function stepTimes(networks: readonly TimedNetwork[], options: StepTimeOptions): Promise<number[]> {
  const { images, rounds = 3, signal, onTurn } = options;
  const times = networks.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, network] of networks.entries()) {
      signal?.throwIfAborted();
      times[i]!.push(...(await timeTurn(network, images)));
      onTurn?.(round * networks.length + i + 1, rounds * networks.length);
    }
  return times.map((samples) => samples.sort((a, b) => a - b)[samples.length >> 1]!);
}

async function timeTurn({ spec, classes, size }: TimedNetwork, images: number): Promise<number[]> {
  const random = new Random(0);
  // This initialisation decomposes no matrix, and the values of the factors do not change the time.
  const network = createNetwork(spec, classes, { random }, { init: "variance-preserving" });
  const optimizer = new Sgd([{ parameters: network.parameters(), weightDecay: 5e-4 }], { momentum: 0.9 });
  const shape = [images, 3, size, size];
  const x = tensor(
    Float32Array.from({ length: images * 3 * size * size }, () => random.normal()),
    { shape },
  );
  const labels = Int32Array.from({ length: images }, (_, n) => n % classes);
  const samples: number[] = [];
  try {
    for (let step = 0; step <= stepsOfTurn; step++) {
      const start = performance.now();
      const loss = scope(() => {
        const mean = crossEntropy(network.forward(x, { training: true, random }), labels);
        optimizer.step(gradients(mean, optimizer.values, { freeGraph: true }), 0.01);
        return detach(mean);
      });
      // A device has finished the step when its loss can be read.
      await loss.item();
      loss.dispose();
      if (step > 0) samples.push(performance.now() - start);
    }
  } finally {
    x.dispose();
    network.dispose();
    optimizer.dispose();
  }
  return samples;
}
