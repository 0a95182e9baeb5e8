import { DataError } from "../core/errors.ts";

/** No source of the data could be reached. Nothing is broken: a caller may continue with other images, if it tells the user so. */
export class DataUnavailableError extends DataError {
  override name = "DataUnavailableError";
  /** One line for each source that was tried. */
  readonly reasons: readonly string[];

  constructor(message: string, reasons: readonly string[]) {
    super(message);
    this.reasons = reasons;
  }
}
