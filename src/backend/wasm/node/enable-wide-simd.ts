/** Node only: 256-bit kernels, in engines that join pairs of 128-bit vectors behind a flag. */

import { setFlagsFromString } from "node:v8";
import { setWideCompiler, type WideCompiler } from "../host/wide-simd.ts";

/**
 * The versions of V8 on which the flag was tested: from Node 24 to Node 26. A later version may fail in ways that end the process, where no
 * self-test can help.
 */
const tested = { least: [13, 6], below: [15, 0] } as const;

const isBefore = ([major, minor]: readonly number[], [otherMajor, otherMinor]: readonly number[]): boolean =>
  major! < otherMajor! || (major === otherMajor && minor! < otherMinor!);

/**
 * The flags that are set while the kernels compile, each with the flag that restores the default. Only the optimising compiler joins
 * vectors, so that compiler must compile everything at once, and the baseline compiler (Liftoff) nothing. Optimised code that may return to
 * baseline code (deopt) needs what Liftoff collects, so it is turned off. Versions before V8 14 have no such code.
 */
const flags = (major: number): readonly (readonly [during: string, after: string])[] => [
  ["--experimental-wasm-revectorize", "--no-experimental-wasm-revectorize"],
  ["--no-liftoff", "--liftoff"],
  ["--no-wasm-lazy-compilation", "--wasm-lazy-compilation"],
  ...(major < 14 ? [] : [["--no-wasm-deopt", "--wasm-deopt"] as const]),
];

function wideCompiler(): WideCompiler {
  const { node, v8 } = process.versions;
  const version = v8.split(".").map(Number);
  if (process.arch !== "x64") return { refusal: `it needs an x64 processor with AVX2, this one is ${process.arch}` };
  if (isBefore(version, tested.least)) return { refusal: `it needs Node 24 or later, this is Node ${node}` };
  if (!isBefore(version, tested.below)) return { refusal: `it was tested with V8 13.6 to 14, this is V8 ${v8}` };
  const changes = flags(version[0]!);
  return {
    compile(bytes) {
      for (const [during] of changes) setFlagsFromString(during);
      try {
        return new WebAssembly.Module(bytes); // Nothing else compiles until this call returns.
      } finally {
        for (const [, after] of changes) setFlagsFromString(after);
      }
    },
  };
}

/**
 * Lets the wasm backend use 256-bit kernels, and returns whether this engine may have them. The backend still tests them before it uses
 * them. They need an x64 processor with AVX2 and Node 24 to 26. While the kernels compile (about 0.2 s, once), experimental flags of V8 are
 * set for the whole process, so only the program that owns the process should call this function, not a library.
 * Call it before `createWasmBackend` or `initBackend`.
 */
export function enableWideSimd(): boolean {
  const compiler = wideCompiler();
  setWideCompiler(compiler);
  return "compile" in compiler;
}
