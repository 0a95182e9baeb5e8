/** The in-place updates of SGD and Adam, one launch for a whole step. */

import type { Storage } from "../../../tensor/storage.ts";
import type { Kernels } from "../../kernels.ts";
import type { Acceptances } from "../../overlay.ts";
import { chunkElements, jobAddress } from "../shared/sizes.ts";
import { isFloat32, type Machine, sharedElements } from "./machine.ts";
import { type StructName, type StructValues, structBytes, writeStruct, writeStructs } from "./structs.ts";

type Updates = "sgdUpdate" | "adamUpdate";

const areFloat32 = (entries: readonly { readonly parameter: Storage; readonly gradient: Storage }[]): boolean =>
  entries.every(({ parameter, gradient }) => isFloat32(parameter) && isFloat32(gradient));

export const optimiserAcceptances: Acceptances<Updates> = {
  sgdUpdate: { dtypes: ["float32"], accepts: areFloat32 },
  adamUpdate: { dtypes: ["float32"], accepts: areFloat32 },
};

/** The entries with the numbers of their first chunks, and the number of all chunks. */
function chunked<E extends { readonly parameter: Storage }>(entries: readonly E[]) {
  let chunks = 0;
  let elements = 0;
  const numbered = entries.map((entry) => {
    const { length } = entry.parameter;
    const placed = { ...entry, length, firstChunk: chunks };
    chunks += Math.ceil(length / chunkElements);
    elements += length;
    return placed;
  });
  return { numbered, chunks, shared: elements > sharedElements };
}

export const optimiserKernels = ({ kernels, memory, team }: Machine): Pick<Kernels, Updates> => {
  /** Runs `launch` while a table lies in the memory. */
  const withTable = <Name extends StructName>(
    name: Name,
    table: readonly StructValues<Name>[],
    launch: (entries: number) => void,
  ): void => {
    if (table.length === 0) return;
    memory.withScratch(table.length * structBytes(name), (entries) => {
      writeStructs(memory, entries, name, table);
      launch(entries);
    });
  };

  return {
    sgdUpdate(entries, { momentum, nesterov, first }) {
      team.check();
      const { numbered, chunks, shared } = chunked(entries);
      const table = numbered.map(({ parameter, gradient, momentum: velocity, ...entry }) => ({
        ...entry,
        parameter: memory.pointerOf(parameter),
        gradient: memory.pointerOf(gradient),
        velocity: velocity === undefined ? 0 : memory.pointerOf(velocity),
      }));
      withTable("SgdEntry", table, (address) => {
        const job = { entries: address, count: table.length, momentum, nesterov: Number(nesterov), first: Number(first) };
        writeStruct(memory, jobAddress, "SgdJob", job);
        kernels.sgdUpdate(chunks, shared);
      });
    },

    adamUpdate(entries, { beta1, beta2, epsilon, decoupled }) {
      team.check();
      const { numbered, chunks, shared } = chunked(entries);
      const table = numbered.map(({ parameter, gradient, mean, square, step, ...entry }) => ({
        ...entry,
        parameter: memory.pointerOf(parameter),
        gradient: memory.pointerOf(gradient),
        mean: memory.pointerOf(mean),
        square: memory.pointerOf(square),
        correction1: 1 / (1 - beta1 ** step),
        correction2: 1 / (1 - beta2 ** step),
      }));
      withTable("AdamEntry", table, (address) => {
        const rates = { beta1, beta2, rest1: 1 - beta1, rest2: 1 - beta2, epsilon, decoupled: Number(decoupled) };
        writeStruct(memory, jobAddress, "AdamJob", { entries: address, count: table.length, ...rates });
        kernels.adamUpdate(chunks, shared);
      });
    },
  };
};
