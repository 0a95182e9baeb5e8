/**
 * The checksum CRC-32C, which event files need (RFC 3720, appendix B.4). It is written here because the npm packages that compute it are
 * native addons, unmaintained, or parts of large kits.
 */

/** The Castagnoli polynomial with its bits reversed, as the checksum processes the lowest bit first. */
const polynomial = 0x82f63b78;

/** The remainder of every byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomial : 0);
  return remainder;
});

/** The checksum, in [0, 2³²). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}
