/** The least memory that the training of a network needs. It follows from shapes alone, so it is known before anything is made. */

import { ConfigError } from "../core/errors.ts";
import { countParameters } from "../count/count-network.ts";
import { inputSize } from "./data-facts.ts";
import { createNetwork, formatNetwork } from "./network-spec.ts";
import type { Settings } from "./setting-rules.ts";
import { networkOf } from "./settings.ts";

const mebibyte = 2 ** 20;
/** The largest arena of the wasm backend in MiB. */
const largestArena = 4096;

const formatted = (value: number): string => Math.ceil(value).toLocaleString("en-US");

/** The number of tensors of a parameter's size that a step holds: the parameter, its gradient, and the optimiser's own. */
function tensorsPerParameter({ optimizer, momentum, lookahead, ema }: Settings): number {
  const moments = optimizer === "sgd" ? (momentum > 0 ? 1 : 0) : optimizer === "muon" ? 1 : 2;
  return 2 + moments + (lookahead === undefined ? 0 : 1) + (ema === undefined ? 0 : 1);
}

/**
 * Counts what one training step holds at least: the parameters, their gradients and moments, and a batch of images in float32.
 * Activations come on top, so a network that passes may still run out of memory.
 * @param images The least number of training images. A batch has no more.
 * @param available The memory of the backend in bytes, unless the settings limit it.
 * @throws ConfigError for a network that needs more than there is, with its parameters and its bytes.
 */
export function checkMemoryNeed(settings: Settings, classes: number, images: number, available: number): void {
  const { memoryLimit, batchSize, backend } = settings;
  const spec = networkOf(settings);
  const parameters = countParameters((build) => createNetwork(spec, classes, build, { init: "variance-preserving" }));
  const batch = Math.min(batchSize, images);
  const side = inputSize(settings);
  const need = (4 * (tensorsPerParameter(settings) * parameters + batch * 3 * side * side)) / mebibyte;
  const limit = memoryLimit ?? (backend === "wasm" ? largestArena : Math.max(largestArena, available / mebibyte));
  if (need <= limit) return;
  const advice = memoryLimit !== undefined && memoryLimit < largestArena ? ", or raise --memory-limit" : "";
  throw new ConfigError(
    `train: ${formatNetwork(spec)} has ${formatted(parameters)} parameters, and a step on ${formatted(batch)} images ` +
      `of ${side}×${side} pixels needs ${formatted(need)} MiB or more, ` +
      `got a limit of ${formatted(limit)} MiB; lower --depth, --width or --batch-size${advice}`,
  );
}
