// GET /api/events: what happens on this node, as server-sent events. `Last-Event-ID` (or `?after`) resumes where the listener stopped.

import { Readable } from 'node:stream'
import { Type } from 'typebox'
import type { NodeActions } from '../node-actions.ts'
import type { EventBody } from '../schema/upkeep.ts'
import type { Api } from '../server.ts'
import { untilGone } from './request-signal.ts'
import { StreamCount } from './stream-count.ts'

export function eventRoutes(api: Api, { events }: NodeActions): void {
  const streams = new StreamCount()
  const querystring = Type.Object({ after: Type.Optional(Type.Integer({ minimum: 0 })) }, { additionalProperties: false })

  api.get('/api/events', { schema: { querystring } }, async (request, reply) => {
    const done = streams.enter()
    reply.raw.once('close', done)
    const resumed = request.headers['last-event-id']
    const after = request.query.after ?? (typeof resumed === 'string' && /^\d{1,15}$/.test(resumed) ? Number(resumed) : undefined)
    const feed = events.follow(after, untilGone(reply.raw))
    return reply.type('text/event-stream').send(Readable.from(asFrames(feed), { objectMode: false }))
  })
}

async function* asFrames(events: AsyncIterable<EventBody | 'alive'>): AsyncGenerator<string, void, void> {
  // The first bytes at once: the listener sees that it is connected before anything happens.
  yield ': shoal\n\n'
  for await (const event of events) {
    yield event === 'alive' ? ': alive\n\n' : `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`
  }
}
