/** Errors of the operating system as errors of this library. */

import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../core/node/error-code.ts";

export { errorCode };

/** An error's message, or the messages of the errors that it aggregates. The code is added where the message lacks it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to a host with several addresses has an empty message and one error per address.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeError).join("; ");
  const code = errorCode(error);
  return code && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}

/** A DataError that names the remedy, for a full or unwritable disk; undefined for any other error. */
export function storageError(op: string, folder: string, error: unknown): DataError | undefined {
  const code = errorCode(error);
  const remedy = "or set SEPARABLE_CACHE to a folder elsewhere";
  if (code === "ENOSPC" || code === "EDQUOT")
    return new DataError(
      `${op}: the disk holding ${folder} must have room (CIFAR needs up to 0.6 GB while it is unpacked), got ${code}; free space ${remedy}`,
      { cause: error },
    );
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new DataError(`${op}: ${folder} must be writable, got ${code}; change its permissions ${remedy}`, { cause: error });
  return undefined;
}
