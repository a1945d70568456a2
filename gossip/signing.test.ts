import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { isSignedBy, meshDigest, meshSigner, nodeSigner, peerPublicKey } from './signing.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const bytes = new TextEncoder().encode('hello')

test('a node signs with its libp2p key, and its peer id alone is enough to check it', async () => {
  const key = await generateKeyPair('Ed25519')
  const signer = nodeSigner(key.raw)
  expect(signer.id).toBe(peerIdFromPrivateKey(key).toString())
  expect(Buffer.from(peerPublicKey(signer.id))).toEqual(Buffer.from(key.publicKey.raw))
  expect(isSignedBy({ signer: signer.id, mesh: '', bytes, signature: signer.sign(bytes) })).toBe(true)
  expect(await key.publicKey.verify(bytes, signer.sign(bytes))).toBe(true)
  expect(isSignedBy({ signer: signer.id, mesh: '', bytes: bytes.subarray(1), signature: signer.sign(bytes) })).toBe(false)
})

test('a mesh is named by the start of the digest of its key', () => {
  const mesh = meshSigner(new Uint8Array(32).fill(7))
  expect(mesh.meshId).toMatch(/^[0-9a-f]{20}$/)
  expect(meshDigest(mesh.mesh).startsWith(mesh.meshId)).toBe(true)
  expect(isSignedBy({ signer: 'mesh', mesh: mesh.mesh, bytes, signature: mesh.sign(bytes) })).toBe(true)
})

test.each(['', 'mesh', '12D3KooW', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '../../etc/passwd', 'a'.repeat(9_999)])(
  '%s is no peer id of ours',
  id => {
    expect(() => peerPublicKey(id)).toThrow(code('PEER_ID_INVALID'))
  },
)

test('bytes that are no key are refused', () => {
  expect(() => nodeSigner(new Uint8Array(31))).toThrow(code('KEY_INVALID'))
})
