/**
 * TensorBoard's events as bytes. An event is a protocol buffer (tensorflow/core/util/event.proto and framework/summary.proto; field
 * numbers beside each write), and a file is a sequence of TFRecords: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
 */

import { Writer } from "protobufjs/minimal.js";
import { crc32c } from "./crc32c.ts";

/** When something was seen: at which step of training, and at what Unix time, in seconds. */
export interface Moment {
  readonly step: number;
  readonly wallTime: number;
}

/** A picture as TensorBoard takes it: the bytes of a PNG file, and its size in pixels. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** Wire types, the low three bits of a field's tag: https://protobuf.dev/programming-guides/encoding. */
const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;

const tag = (field: number, wireType: number): number => (field << 3) | wireType;

/** Event { wall_time = 1, step = 2, … } */
const event = ({ step, wallTime }: Moment): Writer =>
  Writer.create().uint32(tag(1, fixed64)).double(wallTime).uint32(tag(2, varint)).int64(step);

/** The first event of every file: Event { file_version = 3 }. Only from version 2 on does TensorBoard act on `startEvent`. */
export const versionEvent = (moment: Moment): Uint8Array => event(moment).uint32(tag(3, bytes)).string("brain.Event:2").finish();

/** Tells TensorBoard to forget, in the files before, this step and all after it: Event { session_log = 7 { status = 1: START } }. */
export const startEvent = (moment: Moment): Uint8Array =>
  event(moment).uint32(tag(7, bytes)).fork().uint32(tag(1, varint)).int32(1).ldelim().finish();

/** Event { summary = 5 { value = 1 { tag = 1, simple_value = 2 } … } }. Values are float32 in the format. */
export function scalarsEvent(moment: Moment, values: Readonly<Record<string, number>>): Uint8Array {
  const summary = event(moment).uint32(tag(5, bytes)).fork();
  for (const [name, value] of Object.entries(values))
    summary.uint32(tag(1, bytes)).fork().uint32(tag(1, bytes)).string(name).uint32(tag(2, fixed32)).float(value).ldelim();
  return summary.ldelim().finish();
}

/** Event { summary = 5 { value = 1 { tag = 1, image = 4 { height = 1, width = 2, encoded_image_string = 4 } } } }. */
export function imageEvent(moment: Moment, name: string, { width, height, png }: PngImage): Uint8Array {
  const value = event(moment).uint32(tag(5, bytes)).fork().uint32(tag(1, bytes)).fork().uint32(tag(1, bytes)).string(name);
  const image = value.uint32(tag(4, bytes)).fork().uint32(tag(1, varint)).int32(height).uint32(tag(2, varint)).int32(width);
  return image.uint32(tag(4, bytes)).bytes(png).ldelim().ldelim().ldelim().finish();
}

/** Rotated and shifted, so that the sum of data that hold their own sum says something: 0xa282ead8 is the format's constant. */
function maskedSum(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A TFRecord: length (uint64), its masked CRC-32C, the data, their masked CRC-32C; little-endian. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedSum(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedSum(data), true);
  return record;
}
