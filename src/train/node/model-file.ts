/** Networks to and from files. */

import { readFile } from "node:fs/promises";
import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../core/node/system-error.ts";
import { checkOptions } from "../../core/options.ts";
import type { Module } from "../../nn/module.ts";
import { decodeModel, encodeModel, type SavedModel, type SaveModelOptions } from "../model-file.ts";
import { type RecipeOptions, recipeOptions } from "../recipe.ts";
import { writeFileAtomic } from "./atomic-file.ts";

/**
 * Writes the network with its classes and the normalisation of its input: `await saveModel("cat.safetensors", network, { classes })`.
 * @throws ConfigError for a network that cannot be built again from a file (see `encodeModel`);
 * DataError for a file that cannot be written.
 */
export async function saveModel(path: string, model: Module, options: SaveModelOptions = {}): Promise<void> {
  await writeFileAtomic(path, await encodeModel(model, options));
}

/**
 * The network of a file that `saveModel` or a training run wrote: `const { network, classes } = await loadModel("cat.safetensors")`.
 * @throws DataError for a file that cannot be read, is damaged, or does not say how to build its network.
 */
export async function loadModel(path: string, options: RecipeOptions = {}): Promise<SavedModel> {
  checkOptions("loadModel", options, recipeOptions);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new DataError(`loadModel: ${path} must be readable, got ${errorCode(error) ?? error}; name a file that saveModel has written`, {
      cause: error,
    });
  });
  return decodeModel(bytes, path, options);
}
