/** The worker thread of `DecodePool`. It decodes the requested images and transfers their memory to the calling thread. */

import { parentPort } from "node:worker_threads";
import { DataError } from "../../core/errors.ts";
import type { DecodeReply, DecodeRequest } from "./decode-pool.ts";
import { createDecoder } from "./streamed-epoch.ts";

async function answer({ settings, tasks }: Exclude<DecodeRequest, { readonly close: true }>): Promise<void> {
  try {
    const images = await createDecoder(settings)(tasks);
    parentPort?.postMessage({ images } satisfies DecodeReply, [images.buffer]);
  } catch (error) {
    // The class of an error does not survive the message. Any other error ends the worker.
    if (!(error instanceof DataError)) throw error;
    parentPort?.postMessage({ dataError: error.message } satisfies DecodeReply);
  }
}

parentPort?.on("message", (request: DecodeRequest) => {
  // A closed worker ends by itself. The image library must not be cut off while it decodes.
  if ("close" in request) parentPort?.close();
  else void answer(request);
});
