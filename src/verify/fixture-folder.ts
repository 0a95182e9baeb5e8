/** Reads a folder of expected numbers. An error names the file and the field that is missing or malformed. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { errorCode } from "../core/node/system-error.ts";
import { quote } from "../core/quote.ts";
import { decodeSafetensors, type NamedArray } from "../train/safetensors.ts";

/** The fixtures are missing or malformed, so that nothing can be verified with them. */
export class FixtureError extends DataError {}

export class FixtureFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The JSON in `file`; undefined when there is no such file. @throws FixtureError when it cannot be read or parsed. */
  async json(file: string): Promise<unknown> {
    const bytes = await this.#read(file);
    if (bytes === undefined) return undefined;
    try {
      return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes), `verify: ${join(this.path, file)}`);
    } catch (cause) {
      if (cause instanceof DataError) throw new FixtureError(cause.message, { cause });
      throw new FixtureError(`verify: ${join(this.path, file)} must be JSON in UTF-8; it is damaged, restore it from a copy`, { cause });
    }
  }

  /** @throws FixtureError when it is missing, DataError when it is no safetensors file. */
  async tensors(file: string): Promise<FixtureTensors> {
    const [bytes, path] = [await this.#read(file), join(this.path, file)];
    if (bytes === undefined) throw new FixtureError(`verify: ${path} must exist, since its index names it, got ENOENT`);
    try {
      return new FixtureTensors(decodeSafetensors(bytes, path).tensors, path);
    } catch (cause) {
      throw new FixtureError(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  async #read(file: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, file));
    } catch (cause) {
      const code = errorCode(cause);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new FixtureError(`verify: ${join(this.path, file)} must be readable, got ${code ?? cause}`, { cause });
    }
  }
}

/** Expected tensors by name. A name with a slash consists of a section and an entry. */
export class FixtureTensors {
  readonly #tensors: ReadonlyMap<string, NamedArray>;
  readonly #path: string;

  constructor(tensors: ReadonlyMap<string, NamedArray>, path: string) {
    this.#tensors = tensors;
    this.#path = path;
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  find(name: string): NamedArray | undefined {
    return this.#tensors.get(name);
  }

  /** @throws FixtureError when there is no tensor of this name. */
  get(name: string): NamedArray {
    const found = this.find(name);
    if (found === undefined) throw new FixtureError(`verify: ${this.#path} must hold a tensor "${name}", got none`);
    return found;
  }

  /** The tensors of a section, by their names within it. */
  section(name: string): Map<string, NamedArray> {
    return new Map([...this.#tensors].flatMap(([key, value]) => (key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), value]] : [])));
  }
}

/** A JSON object whose fields are read by type. Every method throws a FixtureError for a field of another type. */
export class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FixtureError(`verify: ${where} must be a JSON object, got ${quote(value, 40)}`);
    this.#fields = value as Record<string, unknown>;
    this.#where = where;
  }

  /** The elements of a JSON array of objects. */
  static list(value: unknown, where: string): Fields[] {
    if (!Array.isArray(value)) throw new FixtureError(`verify: ${where} must be a JSON array, got ${quote(value, 40)}`);
    return value.map((item, i) => new Fields(item, `${where}[${i}]`));
  }

  get names(): readonly string[] {
    return Object.keys(this.#fields);
  }

  /** Whether the object has a field that is not null. */
  has(name: string): boolean {
    return this.#own(name) !== undefined && this.#own(name) !== null;
  }

  number(name: string): number {
    const value = this.#own(name);
    return typeof value === "number" && Number.isFinite(value) ? value : this.#refuse(name, "a number");
  }

  text(name: string): string {
    const value = this.#own(name);
    return typeof value === "string" ? value : this.#refuse(name, "text");
  }

  flag(name: string): boolean {
    const value = this.#own(name);
    return typeof value === "boolean" ? value : this.#refuse(name, "true or false");
  }

  /** An array of numbers, or an array of such arrays. */
  numbers(name: string): readonly unknown[] {
    const value = this.#own(name);
    const isNumeric = (item: unknown): boolean => (Array.isArray(item) ? item.every(isNumeric) : typeof item === "number");
    return Array.isArray(value) && isNumeric(value) ? value : this.#refuse(name, "an array of numbers");
  }

  texts(name: string): readonly string[] {
    const value = this.#own(name);
    const fits = Array.isArray(value) && value.every((item) => typeof item === "string");
    return fits ? value : this.#refuse(name, "an array of text");
  }

  object(name: string): Fields {
    return new Fields(this.#own(name), `${this.#where}.${name}`);
  }

  /** The objects of an array. An absent field counts as an empty array. */
  objects(name: string): Fields[] {
    return this.has(name) ? Fields.list(this.#own(name), `${this.#where}.${name}`) : [];
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #refuse(name: string, kind: string): never {
    throw new FixtureError(`verify: ${this.#where}.${name} must be ${kind}, got ${quote(this.#own(name), 40)}`);
  }
}
