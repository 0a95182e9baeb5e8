/** The key of the method that Node's `console.log` asks for the text of an object. Node's own module need not be imported for it. */
export const inspectKey: unique symbol = Symbol.for("nodejs.util.inspect.custom");
