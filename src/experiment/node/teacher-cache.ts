/** What a teacher computed, kept in a folder: one file for each batch, whose name is the digest of the images. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { DataError } from "../../core/errors.ts";
import { makeFolder } from "../../core/node/files.ts";
import { isMissing, readBytes } from "../../core/node/read-file.ts";
import { formatShape } from "../../core/shape.ts";
import type { Batch, TaughtOutput } from "../../data/batches.ts";
import { writeFileAtomic } from "../../train/node/atomic-file.ts";
import { decodeSafetensors, dtypeOf, encodeSafetensors, type NamedArray } from "../../train/safetensors.ts";
import type { TeacherMemory } from "../../train/taught-batches.ts";

const remedy = "delete it, and the teacher computes it again";
const logitsName = "logits";
const attentionName = (group: number): string => `attention.${group}`;

/**
 * A folder `<teacher>-<backend>` below the folder of `--teacher-cache`. The name of a file is the SHA-256 of a batch's images, so students
 * share the file if their batches are the same: the same data, seed, batch size and augmentation. The teacher's digest and the backend are in the
 * folder's name, so what is recalled has the bits that the teacher would compute. Processes may share a folder.
 */
export class TeacherCache implements TeacherMemory {
  readonly path: string;

  /** @param teacher The SHA-256 of the teacher's checkpoint. @param backend The name of what computes, with its SIMD flavour. */
  constructor(folder: string, teacher: string, backend: string) {
    this.path = join(folder, `${teacher.slice(0, 16)}-${backend}`);
  }

  /** @throws DataError for a file that cannot be read, that is damaged, or that belongs to another number of images. */
  async recall(batch: Batch): Promise<TaughtOutput | undefined> {
    const path = this.#pathOf(batch);
    let bytes: Uint8Array;
    try {
      bytes = await readBytes(path, { op: "teacher cache", remedy });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    return outputIn(decodeSafetensors(bytes, path).tensors, batch.count, path);
  }

  /** @throws DataError for a folder that cannot be written. */
  async keep(batch: Batch, { logits, attention }: TaughtOutput): Promise<void> {
    const rows = (data: Float32Array): NamedArray => ({ shape: [batch.count, data.length / batch.count], data });
    const maps = attention.map((map, group) => [attentionName(group), rows(map)] as const);
    await makeFolder(this.path);
    await writeFileAtomic(this.#pathOf(batch), encodeSafetensors(new Map([[logitsName, rows(logits)], ...maps])));
  }

  #pathOf({ images }: Batch): string {
    return join(this.path, `${createHash("sha256").update(images).digest("hex")}.safetensors`);
  }
}

/** @throws DataError unless the file holds float32 logits and attention maps of `count` images. */
function outputIn(tensors: ReadonlyMap<string, NamedArray>, count: number, path: string): TaughtOutput {
  const rows = (name: string): Float32Array => {
    const found = tensors.get(name);
    if (found?.data instanceof Float32Array && found.shape.length === 2 && found.shape[0] === count) return found.data;
    const got = found === undefined ? "none" : `${formatShape(found.shape)} in ${dtypeOf(found.data)}`;
    throw new DataError(`teacher cache: ${path} must hold ${name} [${count},…] in float32, got ${got}; ${remedy}`);
  };
  const groups = [...tensors.keys()].filter((name) => name !== logitsName);
  return { logits: rows(logitsName), attention: groups.map((_, group) => rows(attentionName(group))) };
}
