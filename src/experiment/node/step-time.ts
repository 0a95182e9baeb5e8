/** The time of a training step, measured on this machine. */

import { summarize } from "../../bench/measure.ts";
import { prepareTrainingStep } from "../../bench/workload.ts";
import { checkNumbers } from "../../core/numbers.ts";
import { checkOptions, type OptionNames, optionNames } from "../../core/options.ts";
import { Random } from "../../core/random.ts";
import { detach } from "../../tape/tape.ts";
import { scope } from "../../tensor/scope.ts";
import { createNetwork, type NetworkSpec } from "../network-spec.ts";

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

/** The names of `StepTimeOptions`. */
export const stepTimeOptions: OptionNames = optionNames<StepTimeOptions>({ images: true, rounds: true, signal: true, onTurn: true });

/** The timed steps of a turn. A step before them compiles code and makes the momenta. */
const stepsOfTurn = 3;

/**
 * The milliseconds of a training step of each network on the active backend: forward pass, backward pass and SGD with momentum, on random
 * images. The networks have their turns one after another, so a slow minute of the machine meets all of them. The result of a network is the
 * median over all its steps.
 * @throws ConfigError for a number of images or of rounds that is no integer ≥ 1.
 */
export async function stepTimes(networks: readonly TimedNetwork[], options: StepTimeOptions): Promise<number[]> {
  checkOptions("stepTimes", options, stepTimeOptions);
  const { images, rounds = 3, signal, onTurn } = options;
  checkNumbers("stepTimes", { images, rounds }, { integer: true, least: 1 });
  const times = networks.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, network] of networks.entries()) {
      signal?.throwIfAborted();
      times[i]!.push(...(await timeTurn(network, images)));
      onTurn?.(round * networks.length + i + 1, rounds * networks.length);
    }
  return times.map((samples) => summarize(samples).medianMs);
}

async function timeTurn({ spec, classes, size }: TimedNetwork, images: number): Promise<number[]> {
  // This initialisation decomposes no matrix, and the values of the factors do not change the time.
  const network = createNetwork(spec, classes, { random: new Random(0) }, { init: "variance-preserving" });
  const workload = prepareTrainingStep(network, [images, 3, size, size], classes);
  const samples: number[] = [];
  try {
    for (let step = 0; step <= stepsOfTurn; step++) {
      const start = performance.now();
      const loss = scope(() => detach(workload.run()[0]!));
      // A device has finished the step when its loss can be read.
      await loss.item();
      loss.dispose();
      if (step > 0) samples.push(performance.now() - start);
    }
  } finally {
    workload.dispose();
  }
  return samples;
}
