/** State dicts of other programs: the names that PyTorch's wrappers give to the entries of the network inside. */

import type { NamedArray } from "./safetensors.ts";

/** The prefixes of `DataParallel` and `DistributedDataParallel`, and of `torch.compile`. */
const wrapperPrefixes = ["module.", "_orig_mod."];

/**
 * A state dict without the prefixes that every one of its names has, such as `module._orig_mod.`.
 * @param source The file's name in notes.
 * @returns the entries, and a note for users for each prefix that was removed.
 */
export function withoutWrapperPrefixes(
  source: string,
  state: ReadonlyMap<string, NamedArray>,
): { values: ReadonlyMap<string, NamedArray>; notes: string[] } {
  let values = state;
  const notes: string[] = [];
  const shared = (): string | undefined =>
    wrapperPrefixes.find((prefix) => values.size > 0 && [...values.keys()].every((name) => name.startsWith(prefix)));
  for (let prefix = shared(); prefix !== undefined; prefix = shared()) {
    const { length } = prefix;
    values = new Map([...values].map(([name, value]) => [name.slice(length), value]));
    notes.push(`the prefix ${prefix} was removed from the names in ${source}`);
  }
  return { values, notes };
}
