/** State dicts that PyTorch programs saved. PyTorch's wrappers put a prefix before the name of every entry. */

import type { NamedArray } from "./safetensors.ts";

/** The prefixes of `DataParallel` and `DistributedDataParallel`, and of `torch.compile`. */
const wrapperPrefixes = ["module.", "_orig_mod."];
/** No program wraps a network more often than this. The names of a hostile file may repeat a prefix a million times. */
const mostPrefixes = 8;

/**
 * The state dict without the wrapper prefixes that all its names share, such as `module._orig_mod.`.
 * @param source The name of the file, which the notes mention.
 * @returns the entries, and a note for users for each prefix that was removed.
 */
export function withoutWrapperPrefixes(
  source: string,
  state: ReadonlyMap<string, NamedArray>,
): { values: ReadonlyMap<string, NamedArray>; notes: string[] } {
  let values = state;
  const notes: string[] = [];
  const sharedPrefix = (): string | undefined =>
    wrapperPrefixes.find((prefix) => values.size > 0 && [...values.keys()].every((name) => name.startsWith(prefix)));
  for (let prefix = sharedPrefix(); prefix !== undefined && notes.length < mostPrefixes; prefix = sharedPrefix()) {
    const { length } = prefix;
    values = new Map([...values].map(([name, value]) => [name.slice(length), value]));
    notes.push(`the prefix ${prefix} was removed from the names in ${source}`);
  }
  return { values, notes };
}
