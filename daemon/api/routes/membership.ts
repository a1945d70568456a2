// POST /api/members/approve, DELETE /api/members/:ref, POST /api/invites, /api/join, /api/window: who may come in.

import { Type } from 'typebox'
import type { NodeActions } from '../node-actions.ts'
import { ApproveBody, InviteBody, InviteReply, JoinBody, NodeReply, StatusReply, WindowBody } from '../schema/node.ts'
import { Reference } from '../schema/quantities.ts'
import type { Api } from '../server.ts'

export function membershipRoutes(api: Api, { membership }: NodeActions): void {
  api.post('/api/members/approve', { schema: { body: ApproveBody, response: { 200: NodeReply } } }, async request =>
    membership.approve(request.body.who),
  )
  api.delete(
    '/api/members/:ref',
    {
      schema: {
        params: Type.Object({ ref: Reference }),
        querystring: Type.Object({ force: Type.Optional(Type.Boolean()) }, { additionalProperties: false }),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await membership.remove(request.params.ref, request.query.force === true)
      return reply.code(204).send(null)
    },
  )
  api.post('/api/invites', { schema: { body: InviteBody, response: { 201: InviteReply } } }, async (request, reply) =>
    reply.code(201).send(await membership.invite(request.body)),
  )
  api.post('/api/join', { schema: { body: JoinBody, response: { 200: StatusReply } } }, async request =>
    membership.join(request.body.token),
  )
  api.post('/api/window', { schema: { body: WindowBody, response: { 200: StatusReply } } }, async request =>
    membership.openWindow(request.body.forMs),
  )
}
