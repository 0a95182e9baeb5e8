/**
 * The errors this library throws. A message names the op, the rule it enforces and the values that broke it, and says what to
 * do: `matmul: inner sizes must agree, got A:[3,4] · B:[5,6]`.
 */

/** Base of every error thrown on purpose: catch it to tell a mistake in use from a fault in the library. */
export class SeparableError extends Error {
  override name = "SeparableError";
}

/** Shapes, axes or dtypes that do not fit an op. */
export class ShapeError extends SeparableError {
  override name = "ShapeError";
}

/** An option outside what is allowed. */
export class ConfigError extends SeparableError {
  override name = "ConfigError";
}

/** A backend that is missing, out of memory, or asked for what it cannot do. */
export class BackendError extends SeparableError {
  override name = "BackendError";
}

/** A gradient that does not exist, or does not fit the tensor it belongs to. */
export class GradientError extends SeparableError {
  override name = "GradientError";
}

/** A file or data set that is missing, truncated or corrupted, or numbers that are not finite. */
export class DataError extends SeparableError {
  override name = "DataError";
}
