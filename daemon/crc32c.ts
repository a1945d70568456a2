// CRC-32C as LevelDB writes it. Used by store-damage.ts and store-table.ts.

/** Remainders of one byte (Castagnoli, reflected): the step of a running checksum. */
export const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1
  return rest
})

/** The stored form of a running checksum: LevelDB masks them, since a checksum over bytes that hold checksums is weak. */
export function masked(running: number): number {
  const crc = ~running >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

/** The stored form of the checksum of `bytes`. */
export function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (REMAINDERS[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return masked(crc)
}
