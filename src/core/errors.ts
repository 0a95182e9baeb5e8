/**
 * The errors that this library throws. A message names the op, the rule and the values that broke the rule, and says what to do where that
 * is not obvious: `matmul: inner sizes must agree, got A:[3,4] · B:[5,6]`.
 */

import { visibleLines } from "./quote.ts";

/** The largest length of a message, in UTF-16 units. The longest message of a sound file, which names five images, has half of it. */
const largestMessage = 4000;

/**
 * The base class of every error that is thrown on purpose. Any other error is a fault of the library. A message is bounded and has no
 * character that a terminal would obey, because it may quote the names of a stranger's file. It keeps its line breaks.
 */
export class SeparableError extends Error {
  override name = "SeparableError";

  constructor(message?: string, options?: { cause?: unknown }) {
    super(message === undefined ? message : visibleLines(message, largestMessage), options);
  }
}

/** Shapes, axes or dtypes that do not fit an op. */
export class ShapeError extends SeparableError {
  override name = "ShapeError";
}

/** An option outside its allowed values. */
export class ConfigError extends SeparableError {
  override name = "ConfigError";
}

/** A backend that is missing, that is out of memory, or that cannot do what it was asked to do. */
export class BackendError extends SeparableError {
  override name = "BackendError";
}

/** A gradient that does not exist, that does not fit its tensor, or that a check found wrong. */
export class GradientError extends SeparableError {
  override name = "GradientError";
}

/** A file or data set that is missing, truncated or corrupted, or numbers that are not finite. */
export class DataError extends SeparableError {
  override name = "DataError";
}
