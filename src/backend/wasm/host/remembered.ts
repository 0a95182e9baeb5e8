/** Results that depend on a geometry alone. Every training step asks for the same ones, so each is computed once. */

/** More entries than the layers of any network need. A program with ever new shapes must not fill the memory. */
const most = 1024;

export class Remembered<Value> {
  readonly #values = new Map<string, Value>();

  /** The value of a key, which `compute` gives when it is asked for the first time. */
  get(key: string, compute: () => Value): Value {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (this.#values.size >= most) this.#values.clear();
    const value = compute();
    this.#values.set(key, value);
    return value;
  }
}
