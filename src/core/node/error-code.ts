/** The codes by which the operating system tells errors apart. */

/** The code of a system error (`ENOENT`, `ENOSPC` …); undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
