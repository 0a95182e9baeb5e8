/** Structured convolutions on the clock: factor by factor, by the rebuilt matrix and by `auto`, beside the dense separable convolution. */

import { kernels } from "../backend/active.ts";
import { Random } from "../core/random.ts";
import { gradients } from "../grad/gradients.ts";
import type { Layer } from "../nn/module.ts";
import { normal } from "../ops/creation.ts";
import { parseConvolution } from "../structured/convolution-text.ts";
import { convolutionFactory, createLinear } from "../structured/families.ts";
import type { Mode, StructuredLinear } from "../structured/structured-linear.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { summarize } from "./measure.ts";
import { firstElement } from "./run-benchmark.ts";

export const structuredSpecs = [
  ...[
    "Generic_0.1",
    "LR_0.1",
    "Shuffle_4",
    "Monarch_8",
    "BlockTensorTrain_2",
    "MatrixTensorTrain_8",
    "MatrixTensorTrain_8_2",
    "Kronecker_4",
  ],
  ...["BLAST_0.25", "Butterfly", "ACDC_3", "ACDC_15", "TensorTrain_0.44", "Tucker_0.41", "CP_0.5", "SepHashed_0.2"],
] as const;

export interface StructuredShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly size: number;
  readonly batch: number;
}

/** WRN-28-10's, and the one whose three-way dimensions are cut cleanly between outputs and inputs besides 640 → 640. */
export const structuredShapes: readonly StructuredShape[] = [
  { inChannels: 160, outChannels: 160, size: 32, batch: 8 },
  { inChannels: 160, outChannels: 320, size: 16, batch: 32 },
  { inChannels: 320, outChannels: 320, size: 16, batch: 16 },
  { inChannels: 640, outChannels: 640, size: 8, batch: 32 },
];

/** Milliseconds of one call. */
export interface Times {
  readonly forward: number;
  readonly forwardBackward: number;
}

export interface StructuredRow extends StructuredShape {
  readonly convolution: string;
  readonly backend: string;
  readonly threads: number;
  /** Of the map, for each column, factor by factor; the dense map's where no such way exists. */
  readonly multiplyAdds: number;
  /** That over in·out. */
  readonly share: number;
  /** Pace of the map alone, factor by factor, over the dense map's pace: forward and backward, in multiply-adds a second. */
  readonly throughput: number | null;
  readonly auto: { readonly path: string; readonly reason: string };
  readonly times: { readonly sep: Times; readonly factorized: Times | null; readonly dense: Times; readonly auto: Times };
  /** Columns a call from which rebuilding W is faster; null for never. */
  readonly crossover: { readonly predicted: number | null; readonly measured: number | null } | null;
}

export interface StructuredBenchOptions {
  readonly rounds: number;
  readonly specs?: readonly string[];
  readonly shapes?: readonly StructuredShape[];
  onProgress?(done: number, total: number, name: string): void;
}

/** Something timed in turn with others. */
interface Contender {
  readonly forward: () => Tensor;
  readonly wrt: readonly Tensor[];
  readonly seed: Tensor;
  readonly samples: { readonly forward: number[]; readonly forwardBackward: number[] };
}

async function timed(compute: () => Tensor): Promise<number> {
  const start = performance.now();
  const end = scope(() => firstElement(compute()));
  await end.data();
  end.dispose();
  return performance.now() - start;
}

/** All contenders once a round, so that whatever else the machine does meets them alike. The first round warms up. */
async function race(contenders: readonly Contender[], rounds: number): Promise<void> {
  for (let round = 0; round <= rounds; round++)
    for (const { forward, wrt, seed, samples } of contenders) {
      const one = await timed(forward);
      const both = await timed(() => gradients(forward(), wrt, { seed }).at(-1)!);
      if (round === 0) continue;
      samples.forward.push(one);
      samples.forwardBackward.push(both);
    }
}

const rounded = (value: number): number => Number(value.toPrecision(4));
const median = (samples: readonly number[]): number => rounded(summarize(samples).medianMs);
const timesOf = ({ samples }: Contender): Times => ({ forward: median(samples.forward), forwardBackward: median(samples.forwardBackward) });

const contender = (forward: () => Tensor, wrt: readonly Tensor[], seed: Tensor): Contender => ({
  forward,
  wrt,
  seed,
  samples: { forward: [], forwardBackward: [] },
});

const valuesOf = (module: Layer | StructuredLinear): Tensor[] => [...module.parameters().values()].map(({ value }) => value);

/** From here on the rebuilt matrix is faster: E/φ + e/B against mn + C/B (StructuredLinear.choose). */
function predictedCrossover(map: StructuredLinear): number | null {
  const work = map.contraction();
  if (work === undefined) return null;
  const excess = work.multiplyAdds / map.throughput - map.inFeatures * map.outFeatures;
  const saved = map.rebuild() - work.perCall / map.throughput;
  return excess <= 0 ? null : Math.max(1, Math.ceil(saved / excess));
}

const ladder = [1, 4, 16, 64, 256, 1024, 4096] as const;

/** The first rung of a ladder of columns where the dense path's forward time is below the other's, and stays so. */
async function measuredCrossover(map: StructuredLinear, rounds: number): Promise<number | null> {
  let first: number | null = null;
  for (const columns of ladder) {
    const x = normal([1, map.inFeatures, columns], new Random(columns));
    const samples = { factorized: [] as number[], dense: [] as number[] };
    for (let round = 0; round <= rounds; round++)
      for (const mode of ["factorized", "dense"] as const) {
        map.mode = mode;
        const time = await timed(() => map.applyToColumns(x));
        if (round > 0) samples[mode].push(time);
      }
    x.dispose();
    if (summarize(samples.dense).medianMs >= summarize(samples.factorized).medianMs) first = null;
    else first ??= columns;
  }
  return first;
}

const modes = ["factorized", "dense", "auto"] as const satisfies readonly Mode[];

/** Every spec at every shape, one shape's contenders in turn with each other and with `Sep`. */
export async function benchStructured({
  rounds,
  specs = structuredSpecs,
  shapes = structuredShapes,
  onProgress,
}: StructuredBenchOptions): Promise<StructuredRow[]> {
  const rows: StructuredRow[] = [];
  const total = specs.length * shapes.length;
  for (const shape of shapes)
    for (const text of specs) {
      onProgress?.(rows.length, total, `${text} ${shape.inChannels}→${shape.outChannels}`);
      rows.push(await benchOne(text, shape, rounds));
    }
  return rows;
}

async function benchOne(text: string, shape: StructuredShape, rounds: number): Promise<StructuredRow> {
  const { inChannels, outChannels, size, batch } = shape;
  const spec = parseConvolution(text);
  const build = (): { random: Random } => ({ random: new Random(1) });
  // The numbers in the factors don't change the time; this way of beginning decomposes nothing.
  const init = spec.kind.includes("Hashed") ? ("reference" as const) : ("variance-preserving" as const);
  const x = normal([batch, inChannels, size, size], new Random(2));
  const g = normal([batch, outChannels, size, size], new Random(3));
  const columns = normal([batch, inChannels, size * size], new Random(4));
  const cotangent = normal([batch, outChannels, size * size], new Random(5));
  const site = { inChannels, outChannels, kernel: 3 };
  const sep = convolutionFactory({ kind: "Sep" })(site, build());
  const map = createLinear(spec, inChannels, outChannels, build(), { init });
  const denseMap = createLinear({ kind: "Sep" }, inChannels, outChannels, build());
  const layers = modes.map((mode) => convolutionFactory(spec, { mode, init })(site, build()));
  const factorizes = map.paths().includes("factorized");

  const ofLayer = (layer: Layer): Contender => contender(() => layer.forward(x, { training: true }), [x, ...valuesOf(layer)], g);
  const ofMap = (linear: StructuredLinear): Contender =>
    contender(() => linear.applyToColumns(columns), [columns, ...valuesOf(linear)], cotangent);
  map.mode = "factorized";
  const [sepRace, factorized, dense, auto] = [sep, ...layers].map(ofLayer) as [Contender, Contender, Contender, Contender];
  const maps = factorizes ? [ofMap(map), ofMap(denseMap)] : [];
  await race([sepRace, ...(factorizes ? [factorized] : []), dense, auto, ...maps], rounds);

  const work = map.contraction();
  const multiplyAdds = work?.multiplyAdds ?? inChannels * outChannels;
  const share = multiplyAdds / (inChannels * outChannels);
  const [mapTimes, denseTimes] = maps.map(timesOf);
  const crossover = factorizes ? { predicted: predictedCrossover(map), measured: await measuredCrossover(map, Math.min(3, rounds)) } : null;
  map.mode = "auto";
  const row: StructuredRow = {
    ...shape,
    convolution: text,
    backend: kernels().name,
    threads: kernels().threads,
    multiplyAdds,
    share: rounded(share),
    throughput:
      mapTimes === undefined || denseTimes === undefined ? null : rounded((share * denseTimes.forwardBackward) / mapTimes.forwardBackward),
    auto: map.choose(batch * size * size),
    times: { sep: timesOf(sepRace), factorized: factorizes ? timesOf(factorized) : null, dense: timesOf(dense), auto: timesOf(auto) },
    crossover,
  };
  for (const module of [sep, map, denseMap, ...layers]) module.dispose();
  for (const tensor of [x, g, columns, cotangent]) tensor.dispose();
  return row;
}
