// POST /api/services/:ref/move, GET /api/services/:ref/explain, GET /api/moves, GET /api/moves/:id.

import { Type } from 'typebox'
import type { NodeActions } from '../node-actions.ts'
import { ExplainReply, MoveBody, MoveList, MoveReply } from '../schema/move.ts'
import { Reference } from '../schema/quantities.ts'
import type { Api } from '../server.ts'
import { untilGoneOrLate } from './request-signal.ts'

const params = Type.Object({ ref: Reference })

export function moveRoutes(api: Api, { moves }: NodeActions): void {
  /** 200: the move is over (also when it failed: see `outcome`), or the plan where only that was asked. 202: it has begun. */
  api.post(
    '/api/services/:ref/move',
    { schema: { params, body: MoveBody, response: { 200: Type.Union([MoveReply, ExplainReply]), 202: MoveReply } } },
    async (request, reply) => {
      const signal = untilGoneOrLate(reply.raw)
      const { dryRun, ...wish } = request.body
      if (dryRun === true) return reply.send(await moves.explain(request.params.ref, wish.to, signal))
      const move = await moves.move(request.params.ref, wish, signal)
      return wish.detach === true ? reply.code(202).send(move) : reply.send(move)
    },
  )

  api.get(
    '/api/services/:ref/explain',
    {
      schema: {
        params,
        querystring: Type.Object({ to: Type.Optional(Reference) }, { additionalProperties: false }),
        response: { 200: ExplainReply },
      },
    },
    async (request, reply) => moves.explain(request.params.ref, request.query.to, untilGoneOrLate(reply.raw)),
  )

  api.get('/api/moves', { schema: { response: { 200: MoveList } } }, async () => ({ moves: [...moves.moves()] }))

  api.get('/api/moves/:id', { schema: { params: Type.Object({ id: Reference }), response: { 200: MoveReply } } }, async request =>
    moves.moveRecord(request.params.id),
  )
}
