// /api/services …: list, inspect, run, stop, start, remove, logs. Any service, on whatever node it lives.

import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { jsonLine } from '../../json-lines.ts'
import type { NodeActions } from '../node-actions.ts'
import { Reference } from '../schema/quantities.ts'
import { LogQuery, RunBody, ServiceDetail, ServiceList, StopBody } from '../schema/service.ts'
import type { Api } from '../server.ts'
import { untilGone, untilGoneOrLate } from './request-signal.ts'
import { StreamCount } from './stream-count.ts'

const params = Type.Object({ ref: Reference })

export function serviceRoutes(api: Api, { services }: NodeActions): void {
  const streams = new StreamCount()

  api.get('/api/services', { schema: { response: { 200: ServiceList } } }, async () => ({ services: [...services.list()] }))

  api.get('/api/services/:ref', { schema: { params, response: { 200: ServiceDetail } } }, async request =>
    services.inspect(request.params.ref),
  )

  api.post('/api/services', { schema: { body: RunBody, response: { 201: ServiceDetail } } }, async (request, reply) =>
    reply.code(201).send(await services.run(request.body, untilGoneOrLate(reply.raw))),
  )

  api.post(
    '/api/services/:ref/stop',
    { schema: { params, body: StopBody, response: { 200: ServiceDetail } } },
    async (request, reply) => services.stop(request.params.ref, request.body.timeoutS, untilGoneOrLate(reply.raw)),
  )

  api.post('/api/services/:ref/start', { schema: { params, response: { 200: ServiceDetail } } }, async (request, reply) =>
    services.start(request.params.ref, untilGoneOrLate(reply.raw)),
  )

  api.delete(
    '/api/services/:ref',
    {
      schema: {
        params,
        querystring: Type.Object({ force: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await services.remove(request.params.ref, { force: request.query.force ?? false }, untilGoneOrLate(reply.raw))
      return reply.code(204).send(null)
    },
  )

  /** NDJSON: one line of the log per line. The reader's pace holds the owner back. */
  api.get('/api/services/:ref/logs', { schema: { params, querystring: LogQuery } }, async (request, reply) => {
    const done = streams.enter()
    reply.raw.once('close', done)
    const lines = await services.logs(request.params.ref, request.query, untilGone(reply.raw))
    return reply.type('application/x-ndjson').send(Readable.from(asBytes(lines), { objectMode: false, highWaterMark: 16_384 }))
  })
}

async function* asBytes(values: AsyncIterable<unknown>): AsyncGenerator<Uint8Array, void, void> {
  for await (const value of values) yield jsonLine(value)
}
