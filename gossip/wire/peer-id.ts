// A peer id on the wire: Ed25519, in its usual text form. Anything else is refused before it becomes a key of anything.

import Type from 'typebox'

export const PeerIdWire = Type.String({ pattern: '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$' })
