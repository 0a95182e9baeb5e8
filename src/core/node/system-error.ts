/** Errors of the operating system: their codes, and their messages. */

/** The code of a system error (`ENOENT`, `ENOSPC` …); undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** An error's message, or the messages of the errors that it aggregates. The code is added where the message lacks it. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A refused connection to a host with several addresses has an empty message and one error per address.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeError).join("; ");
  const code = errorCode(error);
  return code && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}
