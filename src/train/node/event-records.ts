/**
 * TensorBoard's events as bytes. An event is a protocol buffer (tensorflow/core/util/event.proto and framework/summary.proto). A file is a
 * sequence of TFRecords: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
 */

import { crc32c } from "../../core/crc.ts";
import { ProtobufMessage } from "../protobuf-message.ts";

/** The time of an event. */
export interface Moment {
  /** Step of training. */
  readonly step: number;
  /** Unix time in seconds. */
  readonly wallTime: number;
}

/** The bytes of a PNG file, and its size in pixels. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** Field numbers of the messages, as the schemas have them. */
const eventFields = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const sessionLogFields = { status: 1 } as const;
const summaryFields = { value: 1 } as const;
const valueFields = { tag: 1, simpleValue: 2, image: 4 } as const;
const imageFields = { height: 1, width: 2, encodedImage: 4 } as const;

/** SessionLog.SessionStatus.START. */
const sessionStart = 1;

/** The fields that every event has. */
const event = ({ step, wallTime }: Moment): ProtobufMessage =>
  new ProtobufMessage().double(eventFields.wallTime, wallTime).int64(eventFields.step, step);

/** The first event of every file. TensorBoard heeds `startEvent` from version 2 on. */
export const versionEvent = (moment: Moment): Uint8Array => event(moment).string(eventFields.fileVersion, "brain.Event:2").finish();

/** Makes TensorBoard forget this step and all later ones of the files before. */
export const startEvent = (moment: Moment): Uint8Array =>
  event(moment)
    .message(eventFields.sessionLog, (log) => log.int64(sessionLogFields.status, sessionStart))
    .finish();

/** An event with numbers by tag. The format stores them as float32. */
export const scalarsEvent = (moment: Moment, values: Readonly<Record<string, number>>): Uint8Array =>
  event(moment)
    .message(eventFields.summary, (summary) => {
      for (const [name, number] of Object.entries(values))
        summary.message(summaryFields.value, (value) => value.string(valueFields.tag, name).float(valueFields.simpleValue, number));
    })
    .finish();

/** An event with one image. */
export const imageEvent = (moment: Moment, name: string, { width, height, png }: PngImage): Uint8Array =>
  event(moment)
    .message(eventFields.summary, (summary) =>
      summary.message(summaryFields.value, (value) =>
        value
          .string(valueFields.tag, name)
          .message(valueFields.image, (image) =>
            image.int64(imageFields.height, height).int64(imageFields.width, width).bytes(imageFields.encodedImage, png),
          ),
      ),
    )
    .finish();

/**
 * The checksum of a TFRecord: a CRC-32C that is rotated right by 15 bits and added to the format's constant. The format masks its
 * checksums, because the CRC of data that contain a CRC is a poor check.
 */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const [lengthBytes, crcBytes] = [8, 4];

/** A TFRecord, little-endian: length (uint64) | masked CRC of the length (uint32) | data | masked CRC of the data (uint32). */
export function frame(data: Uint8Array): Uint8Array {
  const dataStart = lengthBytes + crcBytes;
  const dataEnd = dataStart + data.length;
  const record = new Uint8Array(dataEnd + crcBytes);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(lengthBytes, maskedCrc(record.subarray(0, lengthBytes)), true);
  record.set(data, dataStart);
  view.setUint32(dataEnd, maskedCrc(data), true);
  return record;
}
