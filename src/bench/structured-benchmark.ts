/** Times of structured convolutions, factor by factor, with W formed, and in mode `auto`, beside the dense separable convolution. */

import { kernels } from "../backend/active.ts";
import { Random } from "../core/random.ts";
import { gradients } from "../grad/gradients.ts";
import type { Layer } from "../nn/module.ts";
import { normal } from "../ops/creation.ts";
import { convolutionName, formatConvolution, parseConvolution } from "../structured/convolution-text.ts";
import { convolutionFactory, createLinear } from "../structured/create-convolution.ts";
import { families } from "../structured/families.ts";
import { SeparableConvolution } from "../structured/separable.ts";
import type { ConvolutionSpec } from "../structured/spec.ts";
import type { Mode, StructuredLinear } from "../structured/structured-linear.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { summarize } from "./measure.ts";
import { firstElement } from "./run-benchmark.ts";

/** The specs that the records of the built-in families name for this benchmark. */
export const structuredSpecs: readonly string[] = families.flatMap(({ examples }) =>
  (examples.bench ?? []).map((spec) => formatConvolution(spec as ConvolutionSpec)),
);

export interface StructuredShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly size: number;
  readonly batch: number;
}

/**
 * The narrow shapes of WRN-10-1 and WRN-16-2, those of WRN-28-10, and 160 → 320. Of these, the three-way dimensions of 160 → 320 and 640 → 640 are cut cleanly between outputs and
 * inputs.
 */
export const structuredShapes: readonly StructuredShape[] = [
  { inChannels: 16, outChannels: 16, size: 32, batch: 32 },
  { inChannels: 32, outChannels: 32, size: 32, batch: 32 },
  { inChannels: 64, outChannels: 64, size: 16, batch: 32 },
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
  /** The map's multiply-adds per column, factor by factor; in·out for a map that cannot work so. */
  readonly multiplyAdds: number;
  /** `multiplyAdds` divided by in·out. */
  readonly share: number;
  /** The map's multiply-adds per second, factor by factor, divided by the dense map's, forward and backward together. */
  readonly throughput: number | null;
  readonly auto: { readonly path: string; readonly reason: string };
  readonly times: { readonly sep: Times; readonly factorized: Times | null; readonly dense: Times; readonly auto: Times };
  /** The number of columns per call from which forming W is faster; null if it never is. */
  readonly crossover: { readonly predicted: number | null; readonly measured: number | null } | null;
}

export interface StructuredBenchOptions {
  readonly rounds: number;
  readonly specs?: readonly string[];
  readonly shapes?: readonly StructuredShape[];
  onProgress?(done: number, total: number, name: string): void;
}

/** One of several computations that are timed in turn. */
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

/** Times all contenders once in each round, so that other work on the machine slows all of them alike. The first round is a warm-up. */
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

/**
 * The number of columns from which forming W is predicted to be faster, by the inequality of `StructuredLinear.choose`; null if there is
 * none. At equal cost `choose` takes the factors.
 */
export function predictedCrossover(map: StructuredLinear): number | null {
  const work = map.contractionCost();
  if (work === undefined) return null;
  const excess = work.multiplyAdds / map.throughput - map.inFeatures * map.outFeatures;
  const saved = map.denseCost() - work.perCall / map.throughput;
  if (excess > 0) return Math.max(1, Math.floor(saved / excess) + 1);
  return excess === 0 && saved < 0 ? 1 : null;
}

const ladder = [1, 4, 16, 64, 256, 1024, 4096] as const;

/** The first number of columns on the ladder from which the dense path is faster forward, there and at every larger number. */
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

/** Measures every spec at every shape. The paths of one spec at one shape are timed in turn with each other and with `Sep`. */
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
      onProgress?.(rows.length, total, `${convolutionName(parseConvolution(text))} ${shape.inChannels}→${shape.outChannels}`);
      rows.push(await benchOne(text, shape, rounds));
    }
  return rows;
}

async function benchOne(text: string, shape: StructuredShape, rounds: number): Promise<StructuredRow> {
  const { inChannels, outChannels, size, batch } = shape;
  const spec = parseConvolution(text);
  const build = (): { random: Random } => ({ random: new Random(1) });
  // The numbers in the factors do not change the time, and this initialisation decomposes no matrix.
  const init = "variance-preserving";
  const x = normal([batch, inChannels, size, size], new Random(2));
  const g = normal([batch, outChannels, size, size], new Random(3));
  const columns = normal([batch, inChannels, size * size], new Random(4));
  const cotangent = normal([batch, outChannels, size * size], new Random(5));
  const site = { inChannels, outChannels, kernel: 3 };
  const sep = convolutionFactory({ kind: "Sep" })(site, build());
  const map = createLinear(spec, inChannels, outChannels, build(), { init });
  const denseMap = createLinear({ kind: "Sep" }, inChannels, outChannels, build());
  const layers = modes.map((mode) => convolutionFactory(spec, { mode, init })(site, build()));
  const autoLayer = layers[modes.indexOf("auto")];
  const factorizes = map.paths().includes("factorized");

  const ofLayer = (layer: Layer): Contender => contender(() => layer.forward(x, { training: true }), [x, ...valuesOf(layer)], g);
  const ofMap = (linear: StructuredLinear): Contender =>
    contender(() => linear.applyToColumns(columns), [columns, ...valuesOf(linear)], cotangent);
  map.mode = "factorized";
  const [sepRace, factorized, dense, auto] = [sep, ...layers].map(ofLayer) as [Contender, Contender, Contender, Contender];
  const maps = factorizes ? [ofMap(map), ofMap(denseMap)] : [];
  await race([sepRace, ...(factorizes ? [factorized] : []), dense, auto, ...maps], rounds);

  const work = map.contractionCost();
  const multiplyAdds = work?.multiplyAdds ?? inChannels * outChannels;
  const share = multiplyAdds / (inChannels * outChannels);
  const [mapTimes, denseTimes] = maps.map(timesOf);
  const crossover = factorizes ? { predicted: predictedCrossover(map), measured: await measuredCrossover(map, Math.min(3, rounds)) } : null;
  map.mode = "auto";
  const row: StructuredRow = {
    ...shape,
    convolution: convolutionName(spec),
    backend: kernels().name,
    threads: kernels().threads,
    multiplyAdds,
    share: rounded(share),
    throughput:
      mapTimes === undefined || denseTimes === undefined ? null : rounded((share * denseTimes.forwardBackward) / mapTimes.forwardBackward),
    auto: (autoLayer instanceof SeparableConvolution ? autoLayer : map).choose(batch * size * size),
    times: { sep: timesOf(sepRace), factorized: factorizes ? timesOf(factorized) : null, dense: timesOf(dense), auto: timesOf(auto) },
    crossover,
  };
  for (const module of [sep, map, denseMap, ...layers]) module.dispose();
  for (const tensor of [x, g, columns, cotangent]) tensor.dispose();
  return row;
}
