// GET /healthz, /api/status, /api/nodes, /api/nodes/:ref, /api/waiting: this node and what it sees of the others.

import { Type } from 'typebox'
import type { NodeActions } from '../node-actions.ts'
import { NodeList, NodeReply, StatusReply, WaitingList } from '../schema/node.ts'
import { Reference } from '../schema/quantities.ts'
import type { Api } from '../server.ts'

export function nodeRoutes(api: Api, { node }: NodeActions): void {
  api.get('/healthz', { schema: { response: { 200: Type.Object({ ok: Type.Boolean() }) } } }, async () => ({ ok: true }))
  api.get('/api/status', { schema: { response: { 200: StatusReply } } }, async () => node.status())
  api.get('/api/nodes', { schema: { response: { 200: NodeList } } }, async () => ({ nodes: [...node.nodes()] }))
  api.get(
    '/api/nodes/:ref',
    { schema: { params: Type.Object({ ref: Reference }), response: { 200: NodeReply } } },
    async request => node.node(request.params.ref),
  )
  api.get('/api/waiting', { schema: { response: { 200: WaitingList } } }, async () => ({ waiting: [...node.waiting()] }))
}
