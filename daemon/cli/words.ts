// Numbers as people read them (bytes, times, percent) and as people write them (15m, 256m). Pure; used by the verbs.

import { ApiError } from '../api/api-errors.ts'

/** `1536` → `1.5 KiB`. */
export function bytesInWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? 'TiB'}`
}

/** `1234` → `1.2 s`; null → `-`. */
export function msInWords(ms: number | null): string {
  if (ms === null) return '-'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

/** `12.34` → `12 %`; null → `-`. */
export function percentInWords(pct: number | null | undefined): string {
  return pct === null || pct === undefined ? '-' : `${pct < 10 ? pct.toFixed(1) : Math.round(pct)} %`
}

const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `15m`, `1h30m`, `90s` → milliseconds. @throws ApiError USAGE */
export function durationMs(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) {
    throw new ApiError('USAGE', { what: `${text} is no length of time`, hint: 'write 90s, 15m or 1h30m' })
  }
  return Math.round(parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (msPerUnit[unit ?? ''] ?? 0), 0))
}

/** `10m` (ago) or an ISO time → Unix milliseconds. @throws ApiError USAGE */
export function sinceMs(text: string, nowMs: number): number {
  const iso = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(iso) ? Math.max(0, nowMs - durationMs(text)) : iso
}

/** Docker's `256m`, `1g` → `256Mi`, `1Gi`; what is written in Shoal's way stays. */
export function memoryAsQuota(text: string): string {
  const docker = /^(\d+(?:\.\d+)?)([bkmg])b?$/.exec(text)
  if (docker === null) return text
  const [, amount = '', unit = ''] = docker
  return `${amount}${{ b: '', k: 'Ki', m: 'Mi', g: 'Gi' }[unit] ?? ''}`
}

/** The first characters of an id, as Docker shows them. */
export const shortId = (id: string): string => id.slice(0, 12)
