/** Errors of a disk that is full or cannot be written, with what to do about them. */

import { DataError } from "../../core/errors.ts";
import { errorCode } from "../../core/node/system-error.ts";

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
