// May this request be served at all? On TCP: no page of another site, no name that a foreign DNS answer could point here, and the token where
// one is set. On the unix socket the file's own rights decide, nothing else is asked. Called before every route; pure.

import { timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { ApiError } from './api-errors.ts'

export interface Guard {
  /** Names besides `localhost` by which this node may be asked; IP addresses always may: a name is what DNS rebinding needs. */
  readonly names: readonly string[]
  /** Undefined: nobody is asked who they are (loopback, or a closed network by the owner's own word). */
  readonly token?: string
}

export interface Asked {
  readonly host: string | undefined
  readonly origin: string | undefined
  /** `Sec-Fetch-Site`: what a browser says of where the request comes from. */
  readonly fetchSite: string | undefined
  readonly authorization: string | undefined
}

/** @throws ApiError API_HOST_REFUSED, API_ORIGIN_REFUSED, API_TOKEN_REQUIRED */
export function admitRequest(guard: Guard, asked: Asked): void {
  const name = hostName(asked.host)
  if (name === undefined || !(name === 'localhost' || isIP(name) !== 0 || guard.names.includes(name))) {
    throw new ApiError('API_HOST_REFUSED', {
      what: `this node is not called ${asked.host ?? '(no host)'}`,
      hint: 'ask by IP address or as localhost',
    })
  }
  if (foreignOrigin(asked)) {
    throw new ApiError('API_ORIGIN_REFUSED', {
      what: `a page of ${asked.origin ?? 'another site'} may not speak to this node`,
      hint: 'open the page from this node itself',
    })
  }
  if (guard.token !== undefined && !sameToken(asked.authorization, guard.token)) {
    throw new ApiError('API_TOKEN_REQUIRED', {
      what: 'the API of this node asks for a token',
      hint: 'set SHOAL_TOKEN, or use the unix socket on the node itself',
    })
  }
}

/** `localhost:4748` → `localhost`, `[::1]:4748` → `::1`. */
function hostName(host: string | undefined): string | undefined {
  if (host === undefined || host === '') return undefined
  const bracketed = /^\[([^\]]+)\](:\d+)?$/.exec(host)
  return (bracketed?.[1] ?? host.replace(/:\d+$/, '')).toLowerCase()
}

function foreignOrigin({ host, origin, fetchSite }: Asked): boolean {
  if (fetchSite === 'cross-site' || fetchSite === 'same-site') return true
  // `null` is what a sandboxed page or a file sends: not ours either.
  return origin !== undefined && origin.toLowerCase() !== `http://${(host ?? '').toLowerCase()}`
}

function sameToken(authorization: string | undefined, token: string): boolean {
  const given = Buffer.from(authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}
