/** Reads files of measurements, which have one JSON object on each line. */

import { parseJsonLines } from "../../../src/core/json.ts";
import { checkSchema, type Schema } from "../../../src/core/schema.ts";

/** The objects in a file's text. @param file The file's name in errors. @throws DataError for a line that does not obey the schema. */
export const measurementsIn = <T>(schema: Schema<T>, text: string, file: string): T[] =>
  parseJsonLines(text, (line) => `${file}:${line}`).values.map((value, i) => checkSchema(schema, value, { source: `${file}:${i + 1}` }));
