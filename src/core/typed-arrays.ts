/**
 * Names the type of a typed array. `instanceof` would not do: it is false for an array from an iframe or from Node's `vm`, because each
 * realm has its own constructors.
 */

/** The getter that every typed array inherits. It reads the array's internal slot, so it knows subclasses and arrays of other realms. */
const nameGetter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/** The name of the type of a typed array, such as `Float64Array`. It is undefined for anything else, a `DataView` included. */
export const typedArrayName = (value: unknown): string | undefined => nameGetter.call(value) as string | undefined;

/** Whether a value is a Float32Array of any realm. */
export const isFloat32Array = (value: unknown): value is Float32Array => typedArrayName(value) === "Float32Array";
