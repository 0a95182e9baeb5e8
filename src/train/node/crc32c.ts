/**
 * CRC-32C, the Castagnoli polynomial: RFC 3720, appendix B.4. Bit-reversed, as the checksum is defined, the polynomial is 0x82f63b78.
 * Event files ask for it; the packages that have it are native addons, unmaintained, or part of a cloud vendor's kit.
 */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0x82f63b78 : 0);
  return remainder;
});

/** The checksum, in [0, 2³²). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
