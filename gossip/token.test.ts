import { expect, test } from 'vitest'
import { makeCast, WALL } from './trust-cast.ts'
import { trustLimits } from './trust-limits.ts'
import { checkTokenMesh, dropExpired, makeToken, parseToken, redeem, type TokenEntry, type TokenRequest } from './token.ts'

const { mesh, otherMesh, founder } = makeCast()
const code = (value: string) => expect.objectContaining({ code: value, hint: expect.any(String) })
const address = `/ip4/10.0.0.7/tcp/4747/p2p/${founder.id}`
const secret = new Uint8Array(16).fill(9)
const request: TokenRequest = { mesh: mesh.mesh, role: 'cloud', ttlMs: 3_600_000, addresses: [address], secret, wallNow: WALL }
const make = (entries: readonly TokenEntry[] = [], more: Partial<TokenRequest> = {}) =>
  makeToken(entries, { ...request, ...more })

test('a token is one line that names its mesh, its secret and where to ask', () => {
  const { text } = make()
  expect(text).toMatch(/^shoal1-[0-9a-f]{64}-[0-9a-f]{32}-[A-Za-z0-9_-]+$/)
  const token = parseToken(text)
  expect(token).toMatchObject({ meshId: mesh.meshId, addresses: [address] })
  expect(Buffer.from(token.secret)).toEqual(Buffer.from(secret))
})

test('a token broken over two lines by a mail program still reads', () => {
  const { text } = make()
  expect(parseToken(`  ${text.slice(0, 70)}\r\n ${text.slice(70)}\n`)).toEqual(parseToken(text))
})

test('a token admits once, by default; its secret is stored nowhere', () => {
  const { entries } = make()
  expect(JSON.stringify(entries)).not.toContain(Buffer.from(secret).toString('hex'))
  const used = redeem(entries, { secret, wallNow: WALL })
  expect(used.entry.role).toBe('cloud')
  expect(() => redeem(used.entries, { secret, wallNow: WALL })).toThrow(code('TOKEN_UNKNOWN'))
})

test('a token for two uses admits twice', () => {
  const once = redeem(make([], { uses: 2 }).entries, { secret, wallNow: WALL })
  const twice = redeem(once.entries, { secret, wallNow: WALL })
  expect(twice.entries).toEqual([])
})

test('a token ends with its time, by the clock of its issuer', () => {
  const { entries } = make()
  expect(() => redeem(entries, { secret, wallNow: WALL + 3_600_000 })).toThrow(code('TOKEN_EXPIRED'))
  expect(redeem(entries, { secret, wallNow: WALL + 3_599_999 }).entries).toEqual([])
  expect(dropExpired(entries, WALL + 3_600_000)).toEqual([])
})

test('a false mesh that answers at the address is refused', () => {
  const token = parseToken(make().text)
  expect(() => checkTokenMesh(token, mesh.mesh)).not.toThrow()
  expect(() => checkTokenMesh(token, otherMesh.mesh)).toThrow(code('TOKEN_OTHER_MESH'))
})

test.each([
  ['', 'TOKEN_MALFORMED'],
  ['SWMTKN-1-abc', 'TOKEN_MALFORMED'],
  [make().text.slice(0, 40), 'TOKEN_MALFORMED'],
  [make().text.slice(0, 120), 'TOKEN_MALFORMED'],
  [make().text.replace('shoal1', 'shoal2'), 'TOKEN_VERSION'],
  [`${make().text.slice(0, 103)}${Buffer.from('/ip4/10.0.0.7/tcp/4747').toString('base64url')}`, 'TOKEN_MALFORMED'],
  [`${make().text.slice(0, 103)}${Buffer.from('/nonsense/').toString('base64url')}`, 'TOKEN_MALFORMED'],
  [`shoal1-${'a'.repeat(5_000)}`, 'TOKEN_MALFORMED'],
])('%.30s is refused with a code and a hint', (text, refused) => {
  expect(() => parseToken(text)).toThrow(code(refused))
})

test('what makes no sense makes no token', () => {
  expect(() => make([], { ttlMs: 0 })).toThrow(code('TOKEN_TTL'))
  expect(() => make([], { ttlMs: 31 * 24 * 3_600_000 })).toThrow(code('TOKEN_TTL'))
  expect(() => make([], { addresses: [] })).toThrow(code('NOT_REACHABLE'))
  const full = Array.from(
    { length: trustLimits.tokensOpen },
    (_, index): TokenEntry => ({ hash: String(index), role: 'edge', expiresAt: WALL + 1, usesLeft: 1 }),
  )
  expect(() => make(full)).toThrow(code('TOKENS_FULL'))
  expect(make(full, { wallNow: WALL + 1 }).entries).toHaveLength(1)
})

test('a token stays short enough to paste: addresses that do not fit are left out', () => {
  const many = Array.from({ length: 20 }, (_, index) => `/dns4/${'long'.repeat(15)}-${index}.example/tcp/4747/p2p/${founder.id}`)
  const { text } = make([], { addresses: many })
  expect(text.length).toBeLessThanOrEqual(trustLimits.tokenChars)
  expect(parseToken(text).addresses).toEqual(many.slice(0, parseToken(text).addresses.length))
})
