/** Reads event files without the writer's code: with another CRC-32C, another protobuf library, and TensorFlow's public schema. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createFileRegistry, fromBinary, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { crc32c } from "@node-rs/crc32";
import schema from "../../fixtures/tensorboard/schema.json" with { type: "json" };

/**
 * An Event in protobuf's canonical JSON: fields by their schema's names, int64 as a string, NaN and infinities as strings, bytes in base64.
 */
export interface EventJson {
  readonly wall_time?: number | string;
  readonly step?: string;
  readonly file_version?: string;
  readonly session_log?: { readonly status: string };
  readonly summary?: { readonly value?: readonly ValueJson[] };
}

export interface ValueJson {
  readonly tag?: string;
  readonly simple_value?: number | string;
  readonly image?: { readonly height: number; readonly width: number; readonly encoded_image_string: string };
}

const registry = createFileRegistry(fromJson(FileDescriptorSetSchema, schema.descriptors as JsonValue));
const eventType = registry.getMessage("tensorflow.Event")!;

/** Positions in a record: length (uint64) | masked CRC (uint32) | data | masked CRC (uint32). */
const [crcAt, dataAt, crcBytes] = [8, 12, 4];

function checkCrc(data: Uint8Array, masked: number): void {
  const rotated = (masked - 0xa282ead8) >>> 0;
  if (((rotated << 15) | (rotated >>> 17)) >>> 0 !== crc32c(data)) throw new Error("the checksum differs");
}

/** The events of the complete records, in order. A record that is cut short ends the file, as it does for TensorBoard. */
export function readEvents(file: Uint8Array): EventJson[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const events: EventJson[] = [];
  for (let at = 0; at + dataAt <= file.length; ) {
    checkCrc(file.subarray(at, at + crcAt), view.getUint32(at + crcAt, true));
    const end = at + dataAt + Number(view.getBigUint64(at, true));
    if (end + crcBytes > file.length) break;
    const data = file.subarray(at + dataAt, end);
    checkCrc(data, view.getUint32(end, true));
    const message = fromBinary(eventType, data);
    if (message.$unknown !== undefined) throw new Error("the event has fields that are not in the schema");
    events.push(toJson(eventType, message, { registry, useProtoFieldName: true }) as EventJson);
    at = end + crcBytes;
  }
  return events;
}

/** The events of each file of a folder, in the order TensorBoard reads them. */
export async function readFolder(folder: string): Promise<EventJson[][]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith("events.out.tfevents.")).sort();
  return Promise.all(names.map(async (name) => readEvents(await readFile(join(folder, name)))));
}

/** The steps that TensorBoard shows for a tag. A start event withdraws its own step and later ones, except the first start of a run. */
export function shownSteps(events: readonly EventJson[], tag: string): { step: number; value: number | string }[] {
  let shown: { step: number; value: number | string }[] = [];
  let started = false;
  for (const { step = "0", session_log, summary } of events) {
    if (session_log?.status === "START") {
      if (started) shown = shown.filter((point) => point.step < Number(step));
      started = true;
    }
    for (const value of summary?.value ?? []) if (value.tag === tag) shown.push({ step: Number(step), value: value.simple_value! });
  }
  return shown;
}
