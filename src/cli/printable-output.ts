/**
 * Output on which no text can act on the terminal. Names of tensors, classes and files come from strangers, and a control character in a
 * name could move the cursor, rename the window, or hide text.
 */

import { escapeCharacter } from "../core/quote.ts";

/** A stream for text. Results go to stdout, and everything else goes to stderr. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
}

/** Control characters except tabs and line breaks, marks that turn the direction of a text, separators of lines, and lone surrogates. */
const acting = /(?![\t\n])[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** The text with escapes such as `\u001b` in place of characters that act on a terminal. A JSON text keeps its value. */
export const printable = (text: string): string => text.replace(acting, escapeCharacter);

/** The text on one line: line breaks and tabs become escapes too, so that a name cannot add a line to a table. */
export const printableLine = (text: string): string => printable(text).replace(/[\t\n]/g, escapeCharacter);

/** The streams behind the outputs of `printableOutput`. Only the progress bar needs its stream, because the bar moves the cursor. */
const streams = new WeakMap<Output, Output>();

/** The output with every text made printable. */
export function printableOutput(stream: Output): Output {
  const output: Output = {
    write: (text) => stream.write(printable(text)),
    // The width changes with the window.
    get isTTY() {
      return stream.isTTY ?? false;
    },
    get columns() {
      return stream.columns;
    },
  };
  streams.set(output, stream);
  return output;
}

/** The stream behind an output. Control characters act on it. */
export const streamOf = (output: Output): Output => streams.get(output) ?? output;
