// /api/strategy, /api/profiles, /api/config, /api/doctor: what may be set, what is set, and whether all is well.

import { Type } from 'typebox'
import type { NodeActions } from '../node-actions.ts'
import { ProfileList, ProfilePut, ProfileQuery, ProfileReply, StrategyBody, StrategyReply } from '../schema/strategy.ts'
import { ConfigReply, DoctorReply } from '../schema/upkeep.ts'
import type { Api } from '../server.ts'
import { untilGoneOrLate } from './request-signal.ts'

export function settingRoutes(api: Api, { settings }: NodeActions): void {
  api.get('/api/strategy', { schema: { response: { 200: StrategyReply } } }, async () => settings.strategy())
  api.put('/api/strategy', { schema: { body: StrategyBody, response: { 200: StrategyReply } } }, async request =>
    settings.setStrategy(request.body),
  )

  api.get('/api/profiles', { schema: { response: { 200: ProfileList } } }, async () => ({ profiles: [...settings.profiles()] }))
  api.put('/api/profiles', { schema: { body: ProfilePut, response: { 200: ProfileReply } } }, async request =>
    settings.setProfile(request.body.match, request.body.profile),
  )
  api.delete(
    '/api/profiles',
    { schema: { querystring: ProfileQuery, response: { 204: Type.Null() } } },
    async (request, reply) => {
      await settings.removeProfile(request.query.match)
      return reply.code(204).send(null)
    },
  )

  api.get('/api/config', { schema: { response: { 200: ConfigReply } } }, async () => settings.config())
  api.get('/api/doctor', { schema: { response: { 200: DoctorReply } } }, async (_request, reply) =>
    settings.doctor(untilGoneOrLate(reply.raw)),
  )
}
