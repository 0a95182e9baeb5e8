/**
 * Zip archives, from and to bytes (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT). An archive is
 *
 *     (local header | name | content) for every file | directory: (header | name) for every file | end of the directory
 *
 * and all numbers are little-endian. Archives in the zip64 form, which may have 4 GiB and more, are refused.
 */

import { deflateSync, inflateSync } from "fflate";
import { crc32 } from "../core/crc.ts";
import { DataError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";

/** The records of an archive: their signatures, and their lengths without names. The field offsets below are those of APPNOTE.TXT. */
const localHeader = { signature: 0x04034b50, length: 30, nameLengthAt: 26, extraLengthAt: 28 } as const;
const directoryHeader = {
  signature: 0x02014b50,
  length: 46,
  flagsAt: 8,
  methodAt: 10,
  crcAt: 16,
  packedAt: 20,
  sizeAt: 24,
  nameLengthAt: 28,
  extraLengthAt: 30,
  commentLengthAt: 32,
  localHeaderAt: 42,
} as const;
const endRecord = {
  signature: 0x06054b50,
  length: 22,
  diskAt: 4,
  directoryDiskAt: 6,
  filesOnDiskAt: 8,
  filesAt: 10,
  directoryLengthAt: 12,
  directoryStartAt: 16,
  commentLengthAt: 20,
} as const;

/** The methods of compression that are read and written. */
const methods = { stored: 0, deflated: 8 } as const;
/** Bits of a file's flags. */
const flags = { encrypted: 1, utf8Name: 0x800 } as const;
/** The version of the format that an archive needs: 2.0, for deflated files. */
const versionNeeded = 20;
/** 1 January 1980, the first day that an archive can record, in the format's bits. A fixed day makes equal archives of equal files. */
const firstDay = 0x21;
/** Numbers of a field without zip64: the field's largest value says that the number stands elsewhere. */
const [largestCount, largestSize] = [0xffff - 1, 0xffffffff - 1];
/** Deflate makes of one byte at most this many (https://zlib.net/zlib_tech.html), so a file that claims more is no such file. */
const largestDeflateRatio = 1032;

/** A file of an archive. */
export interface ZipFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/**
 * The bytes of an archive. Equal files in equal order give equal bytes.
 * @param compress Whether the files are deflated.
 * @throws DataError for 65,535 files or more, and for 4 GiB or more.
 */
export function zip(files: readonly ZipFile[], compress: boolean): Uint8Array {
  if (files.length > largestCount) throw new DataError(`zip: an archive must hold at most ${largestCount} files, got ${files.length}`);
  const packed = files.map(({ name, content }) => ({
    name: new TextEncoder().encode(name),
    content: compress ? deflateSync(content) : content,
    size: content.length,
    crc: crc32(content),
  }));
  const headers = packed.reduce((total, { name }) => total + localHeader.length + directoryHeader.length + 2 * name.length, 0);
  const length = packed.reduce((total, { content }) => total + content.length, headers + endRecord.length);
  const largest = packed.reduce((most, { size }) => Math.max(most, size), length);
  if (largest > largestSize)
    throw new DataError(`zip: an archive and its files must have less than 4 GiB, got ${largest} bytes; write several`);

  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const u16 = (...values: readonly number[]): void => {
    for (const value of values) {
      view.setUint16(at, value, true);
      at += 2;
    }
  };
  const u32 = (...values: readonly number[]): void => {
    for (const value of values) {
      view.setUint32(at, value, true);
      at += 4;
    }
  };
  const raw = (piece: Uint8Array): void => {
    bytes.set(piece, at);
    at += piece.length;
  };
  const method = compress ? methods.deflated : methods.stored;
  /** The fields that a local header and a header of the directory share, from the version to the length of the name. */
  const shared = ({ name, content, size, crc }: (typeof packed)[number]): void => {
    u16(versionNeeded, flags.utf8Name, method, 0, firstDay);
    u32(crc, content.length, size);
    u16(name.length, 0);
  };
  const starts = packed.map((file) => {
    const start = at;
    u32(localHeader.signature);
    shared(file);
    raw(file.name);
    raw(file.content);
    return start;
  });
  const directoryStart = at;
  for (const [i, file] of packed.entries()) {
    u32(directoryHeader.signature);
    u16(versionNeeded);
    shared(file);
    // Comment, disk and attributes.
    u16(0, 0, 0);
    u32(0, starts[i]!);
    raw(file.name);
  }
  const directoryLength = at - directoryStart;
  u32(endRecord.signature);
  u16(0, 0, packed.length, packed.length);
  u32(directoryLength, directoryStart);
  u16(0);
  return bytes;
}

/** A file as the directory describes it. */
interface Entry {
  readonly name: string;
  /** The file's bytes in the archive, as the method packed them. */
  readonly packed: Uint8Array;
  readonly method: number;
  /** Size of the content in bytes. */
  readonly size: number;
  readonly crc: number;
}

/** An entry with its place in the archive, from its local header to the end of its content. */
interface PlacedEntry extends Entry {
  readonly from: number;
  readonly to: number;
}

/** Throws an error that names the archive. The remedy is for a damaged archive unless the caller has another. */
type Refuse = (what: string, remedy?: string) => never;

/**
 * Reads an archive. The whole directory is checked before any file is unpacked.
 * @param maximumBytes The largest sum of the files' sizes.
 * @param refuse Throws an error that says which rule the archive breaks.
 */
export function unzip(bytes: Uint8Array, maximumBytes: number, refuse: Refuse): ZipFile[] {
  const entries = readDirectory(bytes, refuse);
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > maximumBytes)
    refuse(
      `must unpack to at most ${maximumBytes} bytes, got ${total} from ${bytes.length}`,
      "pass a larger maximumBytes if you trust the file, or save it without compression",
    );
  return entries.map((entry) => ({ name: entry.name, content: unpack(entry, refuse) }));
}

function unpack({ name, packed, method, size, crc }: Entry, refuse: Refuse): Uint8Array {
  const content = method === methods.stored ? packed : inflate(packed, size);
  if (content?.length !== size || crc32(content) !== crc) return refuse(`must hold ${quote(name)} with the right checksum`);
  return content;
}

/** The content of a deflated file; undefined for damaged bytes. */
function inflate(packed: Uint8Array, size: number): Uint8Array | undefined {
  try {
    // The byte more shows a content that is larger than the directory says.
    return inflateSync(packed, { out: new Uint8Array(size + 1) });
  } catch {
    return undefined;
  }
}

/** Where the record at the archive's end starts. Only a comment may follow it. */
function findEnd(view: DataView, refuse: Refuse): number {
  const last = view.byteLength - endRecord.length;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--)
    if (view.getUint32(at, true) === endRecord.signature && at + view.getUint16(at + endRecord.commentLengthAt, true) === last) return at;
  return refuse("must end with the directory of a zip archive, got none");
}

function readDirectory(bytes: Uint8Array, refuse: Refuse): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view, refuse);
  const [files, filesOnDisk] = [view.getUint16(end + endRecord.filesAt, true), view.getUint16(end + endRecord.filesOnDiskAt, true)];
  const [start, length] = [view.getUint32(end + endRecord.directoryStartAt, true), view.getUint32(end + endRecord.directoryLengthAt, true)];
  if (files > largestCount || start > largestSize || length > largestSize)
    return refuse("must have less than 65,535 files and 4 GiB, got more", "save the arrays in several archives");
  const disks = view.getUint16(end + endRecord.diskAt, true) + view.getUint16(end + endRecord.directoryDiskAt, true);
  if (files !== filesOnDisk || disks !== 0) return refuse("must be one archive, got a part of several");
  if (start + length !== end) return refuse("must have its directory before its end, got other bytes");

  const entries: PlacedEntry[] = [];
  let at = start;
  for (let file = 0; file < files; file++) {
    if (at + directoryHeader.length > end || view.getUint32(at, true) !== directoryHeader.signature)
      return refuse(`must list ${files} files in its directory, got ${file}`);
    const lengths = [directoryHeader.nameLengthAt, directoryHeader.extraLengthAt, directoryHeader.commentLengthAt];
    const next = lengths.reduce((sum, offset) => sum + view.getUint16(at + offset, true), at + directoryHeader.length);
    if (next > end) return refuse("must hold the names of its files, got the end of the directory");
    entries.push(readEntry(bytes, at, start, refuse));
    at = next;
  }
  if (at !== end) return refuse(`must list ${files} files in its directory, got ${end - at} bytes more`);
  checkApart(entries, refuse);
  return entries;
}

/** The file whose header in the directory is at `at`. @param directoryStart The files lie before it. */
function readEntry(bytes: Uint8Array, at: number, directoryStart: number, refuse: Refuse): PlacedEntry {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [uint16, uint32] = [(offset: number) => view.getUint16(at + offset, true), (offset: number) => view.getUint32(at + offset, true)];
  const nameStart = at + directoryHeader.length;
  const nameBytes = bytes.subarray(nameStart, nameStart + uint16(directoryHeader.nameLengthAt));
  const name = new TextDecoder("utf-8", { ignoreBOM: true }).decode(nameBytes);
  const quoted = quote(name);
  const method = uint16(directoryHeader.methodAt);
  const [packedSize, size] = [uint32(directoryHeader.packedAt), uint32(directoryHeader.sizeAt)];
  if (uint16(directoryHeader.flagsAt) & flags.encrypted)
    return refuse(`must not be encrypted, got ${quoted}`, "save it without a password");
  if (method !== methods.stored && method !== methods.deflated)
    return refuse(`must be stored or deflated, got method ${method} for ${quoted}`, "write it with numpy.savez");
  if (method === methods.stored ? size !== packedSize : size > packedSize * largestDeflateRatio)
    return refuse(`must give ${quoted} a size that fits, got ${size} bytes from ${packedSize}`);
  const from = uint32(directoryHeader.localHeaderAt);
  if (from + localHeader.length > directoryStart || view.getUint32(from, true) !== localHeader.signature)
    return refuse(`must hold ${quoted} at byte ${from}, got other bytes`);
  const localNameStart = from + localHeader.length;
  const localName = bytes.subarray(localNameStart, localNameStart + view.getUint16(from + localHeader.nameLengthAt, true));
  if (localName.length !== nameBytes.length || !localName.every((byte, i) => byte === nameBytes[i]))
    return refuse(`must name its files alike twice, got another name for ${quoted}`);
  const contentStart = localNameStart + localName.length + view.getUint16(from + localHeader.extraLengthAt, true);
  const to = contentStart + packedSize;
  if (to > directoryStart) return refuse(`must hold the ${packedSize} bytes of ${quoted} before its directory`);
  return { name, packed: bytes.subarray(contentStart, to), method, size, crc: uint32(directoryHeader.crcAt), from, to };
}

/** Checks that no bytes belong to two files. In a zip bomb, many files share the bytes of one. */
function checkApart(entries: readonly PlacedEntry[], refuse: Refuse): void {
  let last = 0;
  for (const { name, from, to } of entries.toSorted((a, b) => a.from - b.from)) {
    if (from < last) refuse(`must hold its files one after another, got ${quote(name)} inside another`);
    last = to;
  }
}
