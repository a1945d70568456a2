// A node's load report on the wire: one per interval to every member, so it is compact (arrays, not names, where the order is plain).
// Signed by the node itself (wire/sealed.ts); `inc` and `seq` order what one node says, across its restarts.

import type { Static } from 'typebox'
import Type from 'typebox'
import { LIMITS } from '../limits.ts'
import type { LoadReport } from '../mesh.ts'
import { codec } from './codec.ts'

const Text = Type.String({ maxLength: 256 })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
/** CPU, RAM, GPU in percent of the node; sums may pass 100. */
const Percents = Type.Tuple([
  Type.Number({ minimum: 0, maximum: 1e6 }),
  Type.Number({ minimum: 0, maximum: 1e6 }),
  Type.Number({ minimum: 0, maximum: 1e6 }),
])

const LoadReportWire = Type.Object({
  v: Type.Literal(1),
  /** Incarnation: grows with every start of the node. */
  inc: Count,
  /** Grows with every report of one incarnation. */
  seq: Count,
  name: Text,
  role: Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')]),
  state: Type.Union([Type.Literal('green'), Type.Literal('red'), Type.Literal('draining'), Type.Literal('leaving')]),
  net: Text,
  cap: Type.Object({ cores: Type.Number({ minimum: 0 }), ram: Count, gpus: Count }),
  load: Percents,
  outside: Percents,
  reserved: Percents,
  ramDue: Type.Number({ minimum: 0 }),
  can: Type.Object({
    arch: Text,
    kernel: Text,
    engine: Text,
    criu: Type.Union([Text, Type.Null()]),
    shim: Type.Boolean(),
    cpu: Text,
    modes: Type.Array(
      Type.Union([
        Type.Literal('stateless'),
        Type.Literal('stop-copy'),
        Type.Literal('pre-copy'),
        Type.Literal('post-copy'),
        Type.Literal('hybrid'),
      ]),
      { maxItems: 8 },
    ),
  }),
  /** Id, cores and bytes of each service. */
  services: Type.Array(Type.Tuple([Text, Type.Number({ minimum: 0 }), Type.Number({ minimum: 0 })]), { maxItems: 512 }),
})

type Wire = Static<typeof LoadReportWire>
const reportCodec = codec({ name: 'load report', version: 1, bytesMax: LIMITS.reportBytesMax, schema: LoadReportWire })

/** A report with its place in the order of what its node says. */
export interface NumberedReport {
  readonly incarnation: number
  readonly seq: number
  readonly report: LoadReport
}

/** JSON text of a report. @throws MESH_BAD_MESSAGE when a figure is out of range, MESH_MESSAGE_TOO_LARGE */
export function reportToWire({ incarnation, seq, report }: NumberedReport): string {
  const percents = (vec: LoadReport['load']): [number, number, number] => [tidy(vec.cpuPct), tidy(vec.ramPct), tidy(vec.gpuPct)]
  return reportCodec.encode({
    v: 1,
    inc: incarnation,
    seq,
    name: report.name,
    role: report.role,
    state: report.state,
    net: report.network,
    cap: { cores: report.capacity.cores, ram: Math.round(report.capacity.ramBytes), gpus: report.capacity.gpus },
    load: percents(report.load),
    outside: percents(report.outside),
    reserved: percents(report.reserved),
    ramDue: tidy(report.committedRamPct),
    can: {
      arch: report.capability.arch,
      kernel: report.capability.kernel,
      engine: report.capability.engine,
      criu: report.capability.criu,
      shim: report.capability.shim,
      cpu: report.capability.cpuDigest,
      modes: [...report.capability.modes],
    },
    services: report.services.map(({ id, cpuCores, ramBytes }) => [id, tidy(cpuCores, 4), Math.round(ramBytes)]),
  })
}

/** @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE, MESH_VERSION_UNKNOWN */
export function reportFromWire(text: string): NumberedReport {
  const wire = reportCodec.decode(text)
  return { incarnation: wire.inc, seq: wire.seq, report: reportOf(wire) }
}

function reportOf(wire: Wire): LoadReport {
  const vec = ([cpuPct, ramPct, gpuPct]: Wire['load']): LoadReport['load'] => ({ cpuPct, ramPct, gpuPct })
  return {
    name: wire.name,
    role: wire.role,
    state: wire.state,
    network: wire.net,
    capacity: { cores: wire.cap.cores, ramBytes: wire.cap.ram, gpus: wire.cap.gpus },
    load: vec(wire.load),
    outside: vec(wire.outside),
    reserved: vec(wire.reserved),
    committedRamPct: wire.ramDue,
    capability: {
      arch: wire.can.arch,
      kernel: wire.can.kernel,
      engine: wire.can.engine,
      criu: wire.can.criu,
      shim: wire.can.shim,
      cpuDigest: wire.can.cpu,
      modes: wire.can.modes,
    },
    services: wire.services.map(([id, cpuCores, ramBytes]) => ({ id, cpuCores, ramBytes })),
  }
}

/** Two decimals say enough of a percentage. */
function tidy(value: number, decimals = 2): number {
  const scale = 10 ** decimals
  return Math.round(value * scale) / scale
}
