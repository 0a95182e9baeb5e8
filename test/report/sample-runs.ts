/** Random runs without any training, for looking at a report and for testing it. */

import { Random } from "../../src/core/random.ts";
import type { ReportPicture, ReportRun } from "../../src/report/report-run.ts";

const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

export interface SampleOptions {
  readonly count: number;
  readonly seed: number;
  readonly seeds?: number;
}

const convolutions = [
  "Conv",
  "Sep",
  "TensorTrain_0.44",
  "Tucker_0.41",
  "Generic_0.1",
  "SepHashed_0.2",
  "Shuffle_4",
  "ACDC_15",
  "Monarch_4",
  "BLAST_0.5_4",
];

/** Draws `count` runs: each convolution without a teacher and with one. Costs of different networks may nearly agree. */
export function sampleRuns({ count, seed, seeds = 1 }: SampleOptions): ReportRun[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => {
    const configuration = Math.floor(i / seeds);
    const kind = Math.floor(configuration / 2) % convolutions.length;
    const taught = configuration % 2 === 1;
    const parameters = Math.round(7000 * 10 ** (((kind * 7) % convolutions.length) / 5));
    const error = 0.08 + 0.3 / Math.log10(parameters) + 0.05 * random.uniform() - (taught ? 0.03 : 0);
    return sampleRun({ name: `run-${i}`, convolution: convolutions[kind]!, parameters, error, seed: i % seeds, taught }, random);
  });
}

interface Sample {
  readonly name: string;
  readonly convolution: string;
  readonly parameters: number;
  readonly error: number;
  readonly seed: number;
  readonly taught: boolean;
}

function sampleRun({ taught, error, parameters, ...named }: Sample, random: Random): ReportRun {
  const epochs = Array.from({ length: 4 }, (_, epoch) => ({
    epoch: epoch + 1,
    trainLoss: 2 - 0.3 * epoch + 0.1 * random.uniform(),
    trainAccuracy: 0.3,
    testLoss: 1,
    testAccuracy: 1 - error - 0.05 * (3 - epoch),
    learningRate: 0.1,
    seconds: 60,
    testSeconds: 3,
    imagesPerSecond: 700,
    peakBytes: 1e8,
  }));
  const picture = (kind: ReportPicture["kind"], caption: string, channels: 1 | 3): ReportPicture => ({
    kind,
    caption,
    width: 8,
    height: 8,
    channels,
    values: Float32Array.from({ length: 64 * channels }, () => random.uniform()),
  });
  return {
    ...named,
    network: "wrn-10-1",
    teacher: taught ? "wrn-10-1-Conv" : undefined,
    data: "cifar10",
    parameters,
    paperMultAdds: parameters * 180,
    multAdds: parameters * 210,
    error,
    bestError: error,
    seconds: 252,
    finished: true,
    epochs,
    confusion: classes.map((_, label) => classes.map((__, taken) => (taken === label ? 700 : Math.floor(60 * random.uniform())))),
    classes,
    pictures: [picture("image", "frog", 3), picture("attention", "frog, group 1", 1), picture("filters", "16 filters of conv1", 3)],
  };
}
