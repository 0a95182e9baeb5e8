/** Turns the embedded base64 into compiled modules, on either kind of memory. */

import { BackendError } from "../../../core/errors.ts";
import type { KernelExports } from "./kernel-exports.ts";
import type { Simd } from "./simd.ts";
import type { ThreadTeam } from "./thread-team.ts";

/** Each build is a module of its own, so that a program loads the one that it runs. */
const builds: Readonly<Record<Simd, () => Promise<{ kernels: string }>>> = {
  baseline: () => import("../generated/baseline.ts"),
  relaxed: () => import("../generated/relaxed.ts"),
  wide: () => import("../generated/wide.ts"),
};

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

/** The bytes of a build, for a shared or an unshared memory. */
export async function embeddedKernels(simd: Simd, shared: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const { kernels } = await builds[simd]();
  const bytes = await inflate(kernels);
  return shared ? bytes : unshare(bytes);
}

/** The compiled kernels. @throws BackendError where the engine refuses them (no SIMD or no atomics). */
export async function compileKernels(simd: Simd, shared: boolean): Promise<WebAssembly.Module> {
  const bytes = await embeddedKernels(simd, shared);
  try {
    return await WebAssembly.compile(bytes);
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

/** The functions of a module on `memory`. */
export const instantiateKernels = (module: WebAssembly.Module, memory: WebAssembly.Memory, team: ThreadTeam): KernelExports =>
  new WebAssembly.Instance(module, {
    env: { memory, waiting: (job: number, progress: number) => team.waiting(job, progress), clock: () => performance.now() },
  }).exports as KernelExports;

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
