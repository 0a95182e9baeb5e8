/** Turns the embedded base64 into a compiled module, and chooses which of the two builds runs here and on which kind of memory. */

import { BackendError } from "../../../core/errors.ts";

export type Simd = "baseline" | "relaxed";

/** (func (param v128 v128 v128) (result v128) f32x4.relaxed_madd): valid where relaxed SIMD is. */
const relaxedProbe = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** Whether the engine has fused multiply-add (relaxed SIMD). Node 20 has it behind a flag (node/enable-relaxed-simd.ts). */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(relaxedProbe);

/** The build that runs here. @throws BackendError when relaxed SIMD is demanded and the engine has none. */
export function chooseSimd(wanted: "auto" | "on" | "off"): Simd {
  if (wanted === "off") return "baseline";
  if (hasRelaxedSimd()) return "relaxed";
  if (wanted === "on")
    throw new BackendError(
      'wasm: relaxedSimd "on" needs an engine with relaxed SIMD; use "auto", or call enableRelaxedSimd() first (Node 20), or run node --experimental-wasm-relaxed-simd',
    );
  return "baseline";
}

async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Makes the module import an unshared memory. The two kinds of memory differ in one flag of the import's limits (1 = has a maximum, 2 =
 * shared), and atomics are valid on both kinds. So one build serves threads and also pages that may not share memory.
 */
export function unshare(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = module.slice();
  let at = 8; // magic and version
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const section = bytes[at++]!;
    const size = number();
    const end = at + size;
    if (section === 2)
      for (let count = number(); count > 0; count--) {
        for (let name = 0; name < 2; name++) {
          const length = number();
          at += length;
        }
        const kind = bytes[at++]!;
        if (kind === 2) {
          bytes[at] = bytes[at]! & ~2;
          return bytes;
        }
        number(); // the type of a function: the module imports only functions and the memory
      }
    at = end;
  }
  throw new BackendError("wasm: the embedded kernels import no memory; rebuild them with npm run kernels");
}

/** The compiled kernels. @throws BackendError where the engine refuses them (no SIMD or no atomics). */
export async function compileKernels(simd: Simd, shared: boolean): Promise<WebAssembly.Module> {
  const { kernels } = simd === "relaxed" ? await import("../generated/relaxed.ts") : await import("../generated/baseline.ts");
  const bytes = await inflate(kernels);
  try {
    return await WebAssembly.compile(shared ? bytes : unshare(bytes));
  } catch (cause) {
    if (isForbidden(cause))
      throw new BackendError(
        "wasm: the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src, " +
          "or use the reference backend",
        { cause },
      );
    throw new BackendError(
      "wasm: this engine cannot compile the kernels (128-bit SIMD and atomics are needed); use the reference backend",
      { cause },
    );
  }
}

/** Whether a Content-Security-Policy, and not the engine, refused to compile. Browsers say so only in the message. */
const isForbidden = (error: unknown): boolean =>
  error instanceof Error && /content.security.policy|unsafe-eval|blocked by csp/i.test(error.message);

/** A memory that may grow to `maximumBytes`, or as far as this engine allows. @throws BackendError when the engine allows none. */
export function createMemory(maximumBytes: number, shared: boolean): { memory: WebAssembly.Memory; maximumBytes: number } {
  const least = 256; // pages: 16 MiB
  let reason: unknown;
  for (let maximum = Math.floor(maximumBytes / 65536); maximum >= least; maximum = Math.floor(maximum / 2)) {
    try {
      return { memory: new WebAssembly.Memory({ initial: least, maximum, shared }), maximumBytes: maximum * 65536 };
    } catch (error) {
      reason = error; // an engine may refuse to reserve 4 GiB of addresses and still grant 2
    }
  }
  throw new BackendError(`wasm: the engine grants no memory of ${maximumBytes} bytes or less; free memory, or use the reference backend`, {
    cause: reason,
  });
}
