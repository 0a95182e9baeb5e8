/** Says at which layer of a combination an error of shapes arose. */

import { ShapeError } from "../core/errors.ts";
import { formatDescription } from "./describe.ts";
import type { Layer } from "./module.ts";

interface Place {
  /** The message of the op. */
  readonly message: string;
  /** The positions from the outermost combination inwards, as in the names of parameters: "1.f.0". */
  readonly path: string;
  readonly layer: string;
}

/** The errors that already say where they arose. A combination around them makes the path longer. */
const places = new WeakMap<ShapeError, Place>();

/**
 * What `compute` gives, the forward of the layer `name` of a combination.
 * @throws ShapeError that names the layer, where `compute` throws one.
 */
export function inLayer<T>(name: string, layer: Layer, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    throw atLayer(error, name, layer);
  }
}

/** The error with the layer `name` of a combination, if it is one of shapes; otherwise the error as it is. */
function atLayer(error: unknown, name: string, layer: Layer): unknown {
  if (!(error instanceof ShapeError)) return error;
  const inner = places.get(error);
  const place: Place =
    inner === undefined
      ? { message: error.message, path: name, layer: formatDescription(layer.describe()) }
      : { ...inner, path: `${name}.${inner.path}` };
  const outer = new ShapeError(`${place.message}; at layer ${place.path}, ${place.layer}`, { cause: error.cause ?? error });
  places.set(outer, place);
  return outer;
}
