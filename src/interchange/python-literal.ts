/**
 * Reads the Python literals that occur in the headers of NumPy's files: dicts, tuples, lists, strings, integers, truth values and None
 * (https://docs.python.org/3/library/ast.html#ast.literal_eval). The time is linear in the length of the text.
 */

/** A value, with the text that says it. */
export type PythonLiteral = { readonly text: string } & (
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "truth"; readonly value: boolean }
  | { readonly kind: "none" }
  | { readonly kind: "tuple" | "list"; readonly items: readonly PythonLiteral[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [key: PythonLiteral, value: PythonLiteral])[] }
);

/** A literal before its text is known. */
type Value = PythonLiteral extends infer L ? (L extends { text: string } ? Omit<L, "text"> : never) : never;

/** Thrown inside this file where a text is no literal. */
class NoLiteral extends Error {}

/** Brackets nest at most this deep, so that a hostile text cannot overflow the stack. NumPy's headers nest three deep. */
const largestDepth = 32;

const words: ReadonlyMap<string, Value> = new Map<string, Value>([
  ["True", { kind: "truth", value: true }],
  ["False", { kind: "truth", value: false }],
  ["None", { kind: "none" }],
]);

/** Prefixes of strings of characters. A string of bytes (prefix b) is no name of a dtype. */
const stringPrefixes = ["", "u", "U", "r", "R"];

class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The whole text as one literal. */
  whole(): PythonLiteral {
    const literal = this.#literal();
    if (this.#at < this.#text.length) throw new NoLiteral();
    return literal;
  }

  get #next(): string {
    return this.#text[this.#at] ?? "";
  }

  /** Passes blanks and comments. */
  #skipBlanks(): void {
    while (this.#next !== "") {
      if (this.#next === "#") {
        const line = this.#text.indexOf("\n", this.#at);
        this.#at = line < 0 ? this.#text.length : line;
      } else if (" \t\r\n\f".includes(this.#next)) this.#at++;
      else return;
    }
  }

  /** Passes `mark` and the blanks after it, if `mark` comes next. */
  #takes(mark: string): boolean {
    if (this.#next !== mark) return false;
    this.#at++;
    this.#skipBlanks();
    return true;
  }

  #expect(mark: string): void {
    if (!this.#takes(mark)) throw new NoLiteral();
  }

  #literal(): PythonLiteral {
    this.#skipBlanks();
    const start = this.#at;
    if (++this.#depth > largestDepth) throw new NoLiteral();
    const value = this.#value();
    this.#depth--;
    const text = this.#text.slice(start, this.#at).trimEnd();
    this.#skipBlanks();
    return { ...value, text };
  }

  #value(): Value {
    if (this.#takes("{")) return { kind: "dict", entries: this.#items("}", () => this.#entry()).items };
    if (this.#takes("[")) return { kind: "list", items: this.#items("]", () => this.#literal()).items };
    if (this.#takes("(")) {
      const { items, commas } = this.#items(")", () => this.#literal());
      // In Python `(3)` is a number in brackets, and `(3,)` is a tuple.
      return items.length === 1 && commas === 0 ? items[0]! : { kind: "tuple", items };
    }
    if (/[\d+-]/.test(this.#next)) return { kind: "integer", value: this.#integer() };
    const word = this.#run(/\w/);
    if (this.#next === "'" || this.#next === '"') return { kind: "string", value: this.#strings(word) };
    const value = words.get(word);
    if (value === undefined) throw new NoLiteral();
    return value;
  }

  /** Items between commas, up to the closing bracket. The last comma is optional. */
  #items<T>(close: string, item: () => T): { items: T[]; commas: number } {
    const items: T[] = [];
    let commas = 0;
    while (!this.#takes(close)) {
      if (items.length > commas) throw new NoLiteral();
      items.push(item());
      if (this.#takes(",")) commas++;
    }
    return { items, commas };
  }

  #entry(): readonly [PythonLiteral, PythonLiteral] {
    const key = this.#literal();
    this.#expect(":");
    return [key, this.#literal()];
  }

  /** The characters that match, from the current position on. */
  #run(pattern: RegExp): string {
    const start = this.#at;
    while (pattern.test(this.#next)) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** An integer in decimal digits, whose groups may be separated by `_`. Python 2 wrote an L after long integers. */
  #integer(): number {
    const sign = this.#run(/[+-]/);
    const digits = this.#run(/\w/);
    if (sign.length > 1 || !/^(0+|[1-9]\d*)(_\d+)*L?$/.test(digits)) throw new NoLiteral();
    const value = Number(digits.replaceAll("_", "").replace("L", ""));
    return sign === "-" ? -value : value;
  }

  /** A string, or several without commas between them, which Python joins. The first one's prefix has been read. */
  #strings(firstPrefix: string): string {
    const parts: string[] = [];
    for (let prefix = firstPrefix; this.#next === "'" || this.#next === '"'; prefix = this.#run(/\w/)) {
      if (!stringPrefixes.includes(prefix)) throw new NoLiteral();
      parts.push(this.#string(prefix.toLowerCase() === "r"));
      this.#skipBlanks();
    }
    return parts.join("");
  }

  #string(raw: boolean): string {
    const quote = this.#next;
    const start = ++this.#at;
    while (this.#next !== quote) {
      if (this.#next === "" || this.#next === "\n") throw new NoLiteral();
      this.#at += this.#next === "\\" ? 2 : 1;
    }
    const content = this.#text.slice(start, this.#at++);
    return raw ? content : content.replace(/\\(x([0-9a-fA-F]{2})|[\\'"])/g, unescaped);
  }
}

const unescaped = (_: string, escaped: string, hex: string | undefined): string =>
  hex === undefined ? escaped : String.fromCharCode(Number.parseInt(hex, 16));

/** The literal that the whole text is; undefined for any other text. */
export function parsePythonLiteral(text: string): PythonLiteral | undefined {
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof NoLiteral) return undefined;
    throw error;
  }
}
