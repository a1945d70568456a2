// Do two nodes hold the same records, and if not, where do they differ? Each record falls by its key into one of 256 buckets; a bucket's
// digest is the XOR of its records' hashes, so the order in which they came plays no part. Called by replica.ts and anti-entropy.ts.

import { createHash } from 'node:crypto'

export const BUCKETS = 256
const DIGEST_BYTES = 8

/** The bucket of a key. */
export function bucketOf(key: string): number {
  return createHash('sha256').update(key).digest()[0] ?? 0
}

/** 64 bits of a record's text. */
export function hash64(text: string): bigint {
  return createHash('sha256').update(text).digest().readBigUInt64BE(0)
}

/** The 256 digests of `records`, given by key and hash. */
export function bucketDigests(records: Iterable<{ readonly bucket: number; readonly hash: bigint }>): BigUint64Array {
  const digests = new BigUint64Array(BUCKETS)
  for (const { bucket, hash } of records) digests[bucket] = (digests[bucket] ?? 0n) ^ hash
  return digests
}

/** One digest of all buckets, 16 hex digits. */
export function rootDigest(digests: BigUint64Array): string {
  return createHash('sha256').update(encodeDigests(digests)).digest('hex').slice(0, 16)
}

export function encodeDigests(digests: BigUint64Array): string {
  const bytes = Buffer.alloc(BUCKETS * DIGEST_BYTES)
  digests.forEach((digest, bucket) => bytes.writeBigUInt64BE(digest, bucket * DIGEST_BYTES))
  return bytes.toString('base64')
}

/** The buckets in which `theirs`, as encoded by a peer, differs from `ours`; all when it cannot be read. */
export function differingBuckets(ours: BigUint64Array, theirs: string): number[] {
  const bytes = Buffer.from(theirs, 'base64')
  const readable = bytes.length === BUCKETS * DIGEST_BYTES
  return Array.from(ours.keys()).filter(bucket => !readable || bytes.readBigUInt64BE(bucket * DIGEST_BYTES) !== ours[bucket])
}
