// Builds the parts of a mesh and connects them; starts nothing. Whatever a part reports goes to `MeshReactions`, which mesh-life.ts
// carries out. Called by open-mesh.ts.

import type { NodeId, ServiceRecord } from '../placement/view.ts'
import { AntiEntropy } from './anti-entropy.ts'
import type { VerdictChange } from './failure-detector.ts'
import { FoundingDriver } from './founding-driver.ts'
import type { FoundingPorts } from './founding-driver.ts'
import { foundingTiming } from './founding-state.ts'
import { Gate } from './gate.ts'
import { Greeter } from './greeter.ts'
import { createHost } from './host.ts'
import type { Host } from './host.ts'
import { mdnsLan, noLan } from './discovery.ts'
import { Joining } from './joining.ts'
import { Links } from './links.ts'
import type { LinksPorts } from './links.ts'
import { LoadExchange, directCarrier } from './load-exchange.ts'
import type { ReportCarrier } from './load-exchange.ts'
import { MemberLinks } from './member-links.ts'
import { MemberWatch } from './member-watch.ts'
import { Membership } from './membership.ts'
import type { ProfileRecord } from './mesh.ts'
import { LISTEN_ON } from './mesh-options.ts'
import type { MeshOptions, Self } from './mesh-options.ts'
import { OpenTokens } from './open-tokens.ts'
import { PeerBook } from './peer-book.ts'
import { profileRecords } from './profile-book.ts'
import { Reception } from './reception.ts'
import type { ReceptionPorts } from './reception.ts'
import { serviceRecords } from './registry.ts'
import { Replica } from './replica.ts'
import { nodeSigner } from './signing.ts'
import type { Signer } from './signing.ts'
import { FACTS_TOPIC, openTopic } from './topics.ts'
import type { Topic, TopicPorts } from './topics.ts'
import { trustTimes } from './trust-limits.ts'
import { Whereabouts } from './whereabouts.ts'
import { LIMITS } from './limits.ts'
import type { HelloMessage } from './wire/join.ts'

/** What the parts tell of, to be acted on. */
export interface MeshReactions
  extends Pick<LinksPorts, 'onUp' | 'onDown' | 'onFailure'>,
    Pick<FoundingPorts, 'onLeaving' | 'onEntered' | 'onDeclined' | 'onNews'>,
    Pick<ReceptionPorts, 'onWaiting' | 'onRefused'> {
  readonly isWanted: (id: NodeId) => boolean
  readonly onRoundTrip: (id: NodeId, ms: number) => void
  readonly onProven: (id: NodeId, hello: HelloMessage) => void
  readonly onTwin: (id: NodeId) => void
  readonly onVerdict: (change: VerdictChange) => void
  readonly onFact: TopicPorts['take']
}

export interface MeshParts {
  readonly options: MeshOptions
  readonly self: Self
  readonly signer: Signer
  readonly host: Host
  readonly gate: Gate
  readonly membership: Membership
  readonly book: PeerBook
  readonly tokens: OpenTokens
  readonly links: Links
  readonly members: MemberLinks
  readonly joining: Joining
  readonly driver: FoundingDriver
  readonly greeter: Greeter
  readonly reception: Reception
  readonly topic: Topic
  readonly services: Replica<ServiceRecord>
  readonly profiles: Replica<ProfileRecord>
  readonly exchange: LoadExchange
  readonly carrier: ReportCarrier
  readonly antiEntropy: AntiEntropy
  readonly whereabouts: Whereabouts
  readonly watch: MemberWatch
}

/** Reads the store and connects the parts; nothing listens yet. @throws what the store throws */
export async function assembleMesh(options: MeshOptions, reactions: () => MeshReactions): Promise<MeshParts> {
  const { store, clock, log } = options
  const signer = nodeSigner(options.privateKey.raw)
  const self: Self = { id: signer.id, name: options.name, role: options.role }
  const onUnreadable = (key: string, error: unknown): void => log.warn('a stored record cannot be read', { key, error })
  const membership = await Membership.open({
    store,
    secrets: options.secrets ?? store,
    signer,
    clock,
    randomBytes: options.randomBytes,
    onUnreadable,
  })
  const book = new PeerBook(store, id => membership.isMember(id))
  await book.recall(clock.now())
  const replicaPorts = { store, onUnreadable, mayWrite: (id: NodeId) => membership.wasMember(id) }
  const services = await Replica.open(serviceRecords, replicaPorts)
  const profiles = await Replica.open(profileRecords, replicaPorts)
  const tokens = await OpenTokens.open(store, clock)
  const incarnation = await nextIncarnation(options)
  const holdMs = options.gateHoldMs ?? LIMITS.gateHoldMs
  const gate = new Gate({ clock, holdMs, isMember: id => membership.isMember(id), isRemoved: id => membership.isRemoved(id) })
  const host = await createHost({
    privateKey: options.privateKey,
    port: options.port,
    listenOn: options.listenOn ?? LISTEN_ON,
    announce: options.announce ?? [],
    announceLoopback: options.announceLoopback ?? false,
    topics: [FACTS_TOPIC],
    gate,
    lan: options.lan ?? (options.mdns ? mdnsLan(clock) : noLan),
  })
  const exchange = new LoadExchange({ clock, signer, incarnation, isMember: id => membership.isMember(id) })
  const stored = { options, self, signer, membership, book, services, profiles, tokens, gate, host, exchange }
  return connect(stored, reactions)
}

type StoredParts = Pick<
  MeshParts,
  'options' | 'self' | 'signer' | 'membership' | 'book' | 'services' | 'profiles' | 'tokens' | 'gate' | 'host' | 'exchange'
>

function connect(stored: StoredParts, reactions: () => MeshReactions): MeshParts {
  const { options, self, membership, book, services, profiles, gate, host, exchange } = stored
  const { clock, random } = options
  const onFailure: LinksPorts['onFailure'] = (id, what, error) => reactions().onFailure(id, what, error)
  const isMember = (id: NodeId): boolean => membership.isMember(id)
  const links = new Links({
    ...{ host, book, gate, clock, random, onFailure },
    isWanted: id => reactions().isWanted(id),
    onUp: (id, dialled) => reactions().onUp(id, dialled),
    onDown: id => reactions().onDown(id),
    onLife: id => void (book.note(id, clock.now()).heardAt = clock.now()),
  })
  const connectedMembers = (): readonly NodeId[] => links.connected().filter(isMember)
  const members = new MemberLinks({
    ...{ links, clock, isMember, onFailure },
    onRoundTrip: (id, ms) => reactions().onRoundTrip(id, ms),
  })
  return {
    ...stored,
    links,
    members,
    ...frontDesk(stored, { links, members, connectedMembers }, reactions),
    topic: openTopic({ host, gate, clock, onFailure, take: (from, fact) => reactions().onFact(from, fact) }),
    carrier: directCarrier({ exchange, members, connectedMembers, onFailure }),
    whereabouts: new Whereabouts({
      ...{ members, book, clock, isMember },
      missing: () => [...membership.members().keys()].filter(id => id !== self.id && !links.isConnected(id)),
    }),
    antiEntropy: new AntiEntropy({ members, membership, services, profiles, onFailure }),
    watch: new MemberWatch({
      ...{ self: self.id, clock, book, links },
      memberIds: () => [...membership.members().keys()],
      onChange: change => reactions().onVerdict(change),
    }),
  }
}

interface Talking {
  readonly links: Links
  readonly members: MemberLinks
  readonly connectedMembers: () => readonly NodeId[]
}

/** Hello, asking, admitting, and the reducer behind them. */
function frontDesk(
  { options, self, membership, book, services, tokens, host }: StoredParts,
  { links, members, connectedMembers }: Talking,
  reactions: () => MeshReactions,
): Pick<MeshParts, 'joining' | 'driver' | 'greeter' | 'reception'> {
  const { clock, random } = options
  const timing = options.timing ?? foundingTiming
  const trust = options.trust ?? 'default'
  const addresses = (): readonly string[] => addressesOf(host)
  const joining: Joining = new Joining({ links, clock, answer: (from, question) => reception.answer(from, question) })
  const driver: FoundingDriver = new FoundingDriver({
    ...{ self, clock, random, membership },
    timing: trust === 'lan' ? { ...timing, consentMs: Number.POSITIVE_INFINITY } : timing,
    used: tokens.count() > 0 || services.all().some(({ deleted, owner }) => !deleted && owner === self.id),
    ask: (id, meshId, byToken) => reception.ask(id, meshId, byToken),
    onLeaving: meshId => reactions().onLeaving(meshId),
    onEntered: (how, meshId, from) => reactions().onEntered(how, meshId, from),
    onDeclined: (from, meshId) => reactions().onDeclined(from, meshId),
    onNews: () => reactions().onNews(),
    onFailure: (what, error) => reactions().onFailure(self.id, what, error),
  })
  const greeter: Greeter = new Greeter({
    ...{ self, clock, book, links, joining, driver, membership, addresses },
    instance: Buffer.from(options.randomBytes(12)).toString('hex'),
    windowOpenS: () => reception.windowOpenS(),
    onProven: (id, hello) => reactions().onProven(id, hello),
    onTwin: id => reactions().onTwin(id),
    onFailure: (id, what, error) => reactions().onFailure(id, what, error),
  })
  const reception: Reception = new Reception({
    ...{ self, clock, trust, book, membership, tokens, joining, members, addresses, connectedMembers },
    askTimeoutMs: timing.askTimeoutMs,
    windowMs: options.windowMs ?? trustTimes.windowMs,
    driver: () => driver,
    greeter: () => greeter,
    onWaiting: id => reactions().onWaiting(id),
    onRefused: (id, error) => reactions().onRefused(id, error),
  })
  return { joining, driver, greeter, reception }
}

/** This node's own addresses, without its id. */
export function addressesOf(host: Host): readonly string[] {
  return host
    .getMultiaddrs()
    .map(address => address.toString().replace(/\/p2p\/[^/]+$/, ''))
    .slice(0, LIMITS.addressesPerPeerMax)
}

/** Grows with every start, so that a report of this run outranks all earlier ones, whatever the clock says. */
async function nextIncarnation({ store }: MeshOptions): Promise<number> {
  const before = Number(await store.get('mesh/incarnation'))
  const incarnation = Number.isSafeInteger(before) ? before + 1 : 1
  await store.put('mesh/incarnation', String(incarnation))
  return incarnation
}
