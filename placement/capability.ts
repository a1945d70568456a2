// Can this peer restore this service? Answered before anything is offered, and again by the target at admission.

import type { Capability, MoveMode } from './view.ts'

/** Why a peer cannot take a service in a mode. */
export type CapabilityCode = 'arch' | 'mode' | 'no-shim' | 'no-criu' | 'criu-older' | 'cpu-features'

const carriesMemory = (mode: MoveMode): boolean => mode !== 'stateless'

function versionParts(version: string): readonly number[] | null {
  const found = /^v?(\d+(?:\.\d+){0,3})/.exec(version)
  return found?.[1] === undefined ? null : found[1].split('.').map(Number)
}

/** Whether images written by CRIU `source` are read by CRIU `target`: newer reads older, the other way is not promised. */
export function readsImagesOf(target: string, source: string): boolean {
  if (target === source) return true
  const [have, want] = [versionParts(target), versionParts(source)]
  if (have === null || want === null) return false
  for (let index = 0; index < Math.max(have.length, want.length); index += 1) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/** Null when `target` can take over what `source` runs, in this mode; else the first obstacle. */
export function obstacle(mode: MoveMode, source: Capability, target: Capability): CapabilityCode | null {
  if (source.arch !== target.arch) return 'arch'
  if (!carriesMemory(mode)) return target.modes.includes(mode) ? null : 'mode'
  if (target.criu === null) return 'no-criu'
  if (!target.shim) return 'no-shim'
  if (!target.modes.includes(mode)) return 'mode'
  if (source.criu !== null && !readsImagesOf(target.criu, source.criu)) return 'criu-older'
  return source.cpuDigest === target.cpuDigest ? null : 'cpu-features'
}

/** Null when a node can send what it runs, in this mode; else why its services have to stay. */
export function cannotLeave(mode: MoveMode, source: Capability): CapabilityCode | null {
  if (carriesMemory(mode) && source.criu === null) return 'no-criu'
  if (carriesMemory(mode) && !source.shim) return 'no-shim'
  return source.modes.includes(mode) ? null : 'mode'
}

/** The obstacle in words, with what both sides have. */
export function obstacleText(code: CapabilityCode, mode: MoveMode, source: Capability, target: Capability): string {
  switch (code) {
    case 'arch':
      return `is ${target.arch}, the service runs on ${source.arch}`
    case 'mode':
      return `cannot take ${mode} moves`
    case 'no-shim':
      return 'has no runtime shim (shoal setup)'
    case 'no-criu':
      return 'has no working CRIU'
    case 'criu-older':
      return `has CRIU ${target.criu ?? 'none'}, older than the source's ${source.criu ?? 'none'}`
    case 'cpu-features':
      return 'has another CPU: a restored program could meet instructions that are missing'
  }
}
