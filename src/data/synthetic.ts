/**
 * Built-in images to train on when no data set can be loaded. There are ten kinds of pattern, whose position, size, tilt, colours and noise
 * vary from image to image. Colours are drawn independently of the class, so a network has to learn the shapes.
 */

import { ConfigError } from "../core/errors.ts";
import { checkOptions, type OptionNames, optionNames } from "../core/options.ts";
import { Random } from "../core/random.ts";
import { allocateSplit, type ByteDataset, type ByteSplit, channelStatistics } from "./dataset.ts";

export interface SyntheticOptions {
  readonly trainCount: number;
  readonly testCount: number;
  readonly seed: number;
  /** How many of the ten kinds occur, counted from the first. Default: 10. */
  readonly classes?: number;
  /** In pixels. Default: 32. */
  readonly height?: number;
  /** In pixels. Default: 32. */
  readonly width?: number;
}

/** The names of `SyntheticOptions`. */
export const syntheticOptions: OptionNames = optionNames<SyntheticOptions>({
  trainCount: true,
  testCount: true,
  seed: true,
  classes: true,
  height: true,
  width: true,
});

/** The quantities that vary between images of one class. Lengths are in units of the image's shorter side. */
interface Variation {
  readonly radius: number;
  /** Radians per unit length. */
  readonly frequency: number;
  /** In radians. */
  readonly phase: number;
  /** In radians. */
  readonly tilt: number;
  /** Half the width of the ramp at an edge, which is one pixel. */
  readonly edge: number;
}

/** Share of foreground, in [0, 1], at the offset (u, v) from the pattern's centre. */
type Pattern = (u: number, v: number, variation: Variation) => number;

/** 1 well inside the shape (distance < 0), 0 well outside, and a linear ramp across the edge. */
const inside = (distance: number, edge: number): number => Math.min(1, Math.max(0, 0.5 - distance / (2 * edge)));
const wave = (position: number, { frequency, phase }: Variation): number => 0.5 + 0.5 * Math.sin(frequency * position + phase);
const along = (u: number, v: number, angle: number): number => u * Math.cos(angle) + v * Math.sin(angle);

const patterns: readonly (readonly [name: string, pattern: Pattern])[] = [
  ["horizontal stripes", (u, v, p) => wave(along(v, u, p.tilt), p)],
  ["vertical stripes", (u, v, p) => wave(along(u, v, p.tilt), p)],
  ["diagonal stripes", (u, v, p) => wave(along(u, v, p.tilt + Math.sign(p.tilt) * (Math.PI / 4)), p)],
  ["checkerboard", (u, v, p) => 0.5 + 0.5 * Math.sin(p.frequency * u + p.phase) * Math.sin(p.frequency * v + p.phase)],
  ["disc", (u, v, p) => inside(Math.hypot(u, v) - p.radius, p.edge)],
  ["ring", (u, v, p) => inside(Math.abs(Math.hypot(u, v) - p.radius) - 0.25 * p.radius, p.edge)],
  ["square", (u, v, p) => inside(Math.max(Math.abs(along(u, v, p.tilt)), Math.abs(along(v, -u, p.tilt))) - 0.9 * p.radius, p.edge)],
  ["triangle", (u, v, p) => inside(Math.max(v - 0.6 * p.radius, Math.abs(u) * 0.9 - (v + p.radius) * 0.5), p.edge)],
  [
    "cross",
    (u, v, p) => {
      const [a, b] = [Math.abs(along(u, v, p.tilt)), Math.abs(along(v, -u, p.tilt))];
      return inside(Math.max(Math.max(a, b) - 1.15 * p.radius, Math.min(a, b) - 0.25 * p.radius), p.edge);
    },
  ],
  [
    "spots",
    (u, v, p) => {
      let share = 0;
      for (let k = 0; k < 3; k++) {
        const angle = p.phase + (k * 2 * Math.PI) / 3;
        share += Math.exp(-((u - p.radius * Math.cos(angle)) ** 2 + (v - p.radius * Math.sin(angle)) ** 2) / (0.35 * p.radius) ** 2);
      }
      return Math.min(1, share);
    },
  ],
];

const between = (random: Random, low: number, high: number): number => low + (high - low) * random.uniform();

/** The names of the ten kinds. */
export const syntheticClasses: readonly string[] = patterns.map(([name]) => name);

/** The images that are painted between two pauses: some milliseconds of work for images of the usual size. */
const imagesAtOnce = 100;

/** The most bytes of a split. JavaScript allocates no larger array. */
const mostBytes = 2 ** 32;

/**
 * Paints images whose classes are 0, 1, 2 … in turn. Image n depends on the stream and on n only, and not on `count`. The generator pauses
 * from time to time.
 */
function* paintSplit(count: number, classes: number, height: number, width: number, stream: Random): Generator<void, ByteSplit> {
  const split = allocateSplit(count, 3 * height * width);
  for (let n = 0; n < count; n++) {
    if (n % imagesAtOnce === 0) yield;
    split.labels[n] = n % classes;
    paintImage(patterns[n % classes]![1], split.images, n * 3 * height * width, height, width, stream.fork(n));
  }
  return split;
}

function paintImage(pattern: Pattern, images: Uint8Array, start: number, height: number, width: number, random: Random): void {
  const unit = Math.min(height, width);
  const centreX = width * between(random, 0.35, 0.65);
  const centreY = height * between(random, 0.35, 0.65);
  const variation: Variation = {
    radius: between(random, 0.2, 0.32),
    frequency: 2 * Math.PI * between(random, 3.5, 6),
    phase: between(random, 0, 2 * Math.PI),
    tilt: between(random, -0.25, 0.25),
    edge: 1 / unit,
  };
  // In every channel the foreground is a step away from the background. The step changes its sign where the level would leave [15, 240].
  const background = [0, 0, 0].map(() => between(random, 50, 205));
  const step = background.map((level) => {
    const size = between(random, 40, 110) * (random.integer(2) === 0 ? -1 : 1);
    return level + size < 15 || level + size > 240 ? -size : size;
  });
  const noise = between(random, 10, 35) / 255;
  const plane = height * width;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const share = pattern((x + 0.5 - centreX) / unit, (y + 0.5 - centreY) / unit, variation);
      for (let c = 0; c < 3; c++) {
        const bits = random.bits();
        // The sum of two random bytes is close to normal, and it takes one draw only.
        const level = background[c]! + share * step[c]! + noise * ((bits & 255) + ((bits >>> 8) & 255) - 255);
        images[start + c * plane + y * width + x] = Math.min(255, Math.max(0, Math.round(level)));
      }
    }
}

function requireIntegers(values: Readonly<Record<string, number>>, least: number): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isInteger(value) || value < least)
      throw new ConfigError(`syntheticImages: ${name} must be an integer ≥ ${least}, got ${value}`);
}

/**
 * Synthetic images, which depend on nothing but the options.
 * @throws ConfigError for a count that is no integer ≥ 1, a side that is no integer ≥ 8, more than 4 GiB of images, or a number of classes
 * outside [2, 10].
 */
export function syntheticImages(options: SyntheticOptions): ByteDataset {
  const painting = paintSynthetic(options);
  for (;;) {
    const { done, value } = painting.next();
    if (done) return value;
  }
}

/** Paints `syntheticImages`, and pauses from time to time so that the caller may do something else, or stop. */
export function* paintSynthetic(options: SyntheticOptions): Generator<void, ByteDataset> {
  checkOptions("syntheticImages", options, syntheticOptions);
  const { trainCount, testCount, seed, classes = patterns.length, height = 32, width = 32 } = options;
  requireIntegers({ trainCount, testCount }, 1);
  requireIntegers({ height, width }, 8);
  for (const [name, count] of Object.entries({ trainCount, testCount }))
    if (3 * height * width * count > mostBytes)
      throw new ConfigError(
        `syntheticImages: ${name} must be at most ${Math.floor(mostBytes / (3 * height * width))} images of ${height}×${width} pixels, ` +
          `got ${count}`,
      );
  if (!Number.isInteger(classes) || classes < 2 || classes > patterns.length)
    throw new ConfigError(`syntheticImages: classes must be an integer in [2, ${patterns.length}], got ${classes}`);
  const stream = new Random(seed);
  const train = yield* paintSplit(trainCount, classes, height, width, stream.fork(0));
  const test = yield* paintSplit(testCount, classes, height, width, stream.fork(1));
  return {
    name: "synthetic",
    classes: syntheticClasses.slice(0, classes),
    channels: 3,
    height,
    width,
    train,
    test,
    ...channelStatistics(train, 3),
  };
}
