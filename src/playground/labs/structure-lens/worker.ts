/**
 * The worker of the structure lens. It holds the layers of the open network. Of requests of one kind that wait, only the last is answered.
 */

import { initBackend } from "../../../backend/active.ts";
import { DataError } from "../../../core/errors.ts";
import type { TensorArray } from "../../../linalg/tensor-array.ts";
import { type LensQuestion, type LensReport, lookThrough } from "./lens.ts";
import { shippedNetwork } from "./shipped-network.ts";

/** A file of the visitor. */
export interface NetworkFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type LensRequest =
  /** The target is a matrix of the page, or the name of a layer of the open network. */
  | { readonly kind: "look"; readonly question: Omit<LensQuestion, "target"> & { readonly target: TensorArray | string } }
  /** Without a file, the shipped network is opened. */
  | { readonly kind: "open"; readonly file: NetworkFile | undefined };

/** A layer of the network that is open. */
export interface LayerFacts {
  readonly name: string;
  readonly shape: readonly number[];
}

export type LensAnswer =
  /** The name of the layer that was asked for; undefined for a matrix of the page. */
  | { readonly kind: "report"; readonly layer: string | undefined; readonly report: LensReport }
  | { readonly kind: "opened"; readonly layers: readonly LayerFacts[] }
  | { readonly kind: "failed"; readonly during: LensRequest["kind"]; readonly message: string };

const answer = (content: LensAnswer): void => postMessage(content);
const started = initBackend(["wasm", "reference"]);
let layers: ReadonlyMap<string, TensorArray> = new Map();
let waiting: LensRequest[] = [];
let isBusy = false;

async function shippedBytes(): Promise<Uint8Array> {
  const { file } = shippedNetwork;
  const response = await fetch(new URL(file, import.meta.url)).catch(() => undefined);
  if (response?.ok !== true) throw new DataError(`structure lens: needs ${file} beside its page, got none; build the playground again`);
  return new Uint8Array(await response.arrayBuffer());
}

async function respond(request: LensRequest): Promise<LensAnswer> {
  await started;
  if (request.kind === "open") {
    const { name, bytes } = request.file ?? { name: shippedNetwork.file, bytes: await shippedBytes() };
    // What reads a network is loaded for those who look at one.
    const { layersOf } = await import("./network-layers.ts");
    layers = await layersOf(bytes, name);
    return { kind: "opened", layers: [...layers].map(([layer, { shape }]) => ({ name: layer, shape })) };
  }
  const { target, ...question } = request.question;
  const layer = typeof target === "string" ? target : undefined;
  const found = typeof target === "string" ? layers.get(target) : target;
  if (found === undefined) throw new DataError(`structure lens: the layer must be one of the network, got ${layer}; choose another`);
  return { kind: "report", layer, report: await lookThrough({ ...question, target: found }) };
}

async function work(): Promise<void> {
  if (isBusy) return;
  isBusy = true;
  for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
    const { kind } = request;
    answer(
      await respond(request).catch((error: unknown) => ({
        kind: "failed" as const,
        during: kind,
        message: error instanceof Error ? error.message : String(error),
      })),
    );
  }
  isBusy = false;
}

addEventListener("message", ({ data }: MessageEvent<LensRequest>) => {
  waiting = [...waiting.filter(({ kind }) => kind !== data.kind), data];
  void work();
});
