import { DataError } from "../core/errors.ts";

/** No source of the data could be reached: nothing is broken, so a caller may carry on with other images if it says so. */
export class DataUnavailableError extends DataError {
  override name = "DataUnavailableError";
  /** One line for each source that was tried. */
  readonly reasons: readonly string[];

  constructor(message: string, reasons: readonly string[]) {
    super(message);
    this.reasons = reasons;
  }
}
