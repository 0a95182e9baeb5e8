/** The fields of the structures that the host writes and the kernels read, found in the AssemblyScript sources. */

/**
 * The types a shared field may have: all of four bytes, so that a field's offset is four times its position.
 * A class stands for its address.
 */
const wordTypes = { i32: "integer", usize: "integer", f32: "float" };

/**
 * Every exported class of `source`: { Name: { field: "integer" | "float", … } }, fields in the order of the declaration.
 * @throws Error for a field that is not of four bytes, as its offset on the host would be wrong.
 */
export function exportedStructs(source) {
  const structs = {};
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
  for (const [, name, body] of code.matchAll(/export class (\w+) \{([^}]*)\}/g)) {
    structs[name] = {};
    for (const [, field, type] of body.matchAll(/(\w+): (\w+);/g)) {
      const word = wordTypes[type] ?? (/^[A-Z]/.test(type) ? "integer" : undefined);
      if (word === undefined)
        throw new Error(`${name}.${field}: a field that the host writes must be i32, usize, f32 or a class, got ${type}`);
      structs[name][field] = word;
    }
  }
  return structs;
}
