/**
 * Cyclic redundancy checks of 32 bits. They are written here because the npm packages that compute CRC-32C are native addons, unmaintained,
 * or parts of large kits.
 */

/** A check by a polynomial, whose bits are reversed because the check processes the lowest bit first. */
function crcOf(polynomial: number): (bytes: Uint8Array) => number {
  /** The remainder of every byte. */
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomial : 0);
    return remainder;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
    return ~crc >>> 0;
  };
}

/** The CRC-32 of zip archives (ISO 3309), in [0, 2³²). */
export const crc32: (bytes: Uint8Array) => number = crcOf(0xedb88320);

/** The CRC-32C of event files, by the Castagnoli polynomial (RFC 3720, appendix B.4), in [0, 2³²). */
export const crc32c: (bytes: Uint8Array) => number = crcOf(0x82f63b78);
