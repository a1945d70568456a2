// Which members should a person look at? Those the join window let in, until somebody confirms them, and a mesh in which nobody is left who may
// admit. Pure; told by `shoal status`, `shoal doctor` and the API. Called by compose.ts.

import type { Member } from '../gossip/mesh.ts'

/** Lines for single members; the rest is counted. */
const MOST_NAMED = 8

/** One line each, with the next step. */
export function memberWarnings(members: readonly Member[]): readonly string[] {
  const unconfirmed = members.filter(({ rights }) => !rights.admit).map(({ name }) => name)
  const named = unconfirmed
    .slice(0, MOST_NAMED)
    .map(
      name => `${name} was let in by the join window and may admit nobody until a person confirms it: \`shoal approve ${name}\``,
    )
  const more = unconfirmed.length - named.length
  const admitting = members.filter(({ rights }) => rights.admit)
  const away = admitting.filter(({ state }) => state === 'lost' || state === 'leaving').map(({ name }) => name)
  return [
    ...named,
    ...(more > 0 ? [`${more} more members are not confirmed: \`shoal approve\` lists them`] : []),
    ...(members.length > 0 && away.length === admitting.length
      ? [
          `no member that may admit is here${away.length === 0 ? '' : ` (${away.slice(0, MOST_NAMED).join(', ')})`}: nobody can come in until one is back`,
        ]
      : []),
  ]
}
