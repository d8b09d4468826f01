import { CLOCK_FAULT_MS, CLOCK_WARN_MS } from '../src/node/clock-skew.js'
import { duration } from './print/duration.js'

interface OtherClock {
  readonly peerId: string
  readonly clockAheadMs?: number | undefined
}

/** How the clock here stands to those of coordinators. */
export interface ClockSkew {
  readonly state: 'good' | 'warns' | 'fault'
  /** Of them, those that told their time. */
  readonly told: number
  /** How far from the one that differs most. */
  readonly offMs: number
  /** For people: from whose, and to which side. */
  readonly detail: string
}

/** @returns undefined when none told its time */
export function clockSkew(others: readonly OtherClock[]): ClockSkew | undefined {
  const known = others.flatMap(({ peerId, clockAheadMs }) =>
    clockAheadMs === undefined ? [] : [{ peerId, clockAheadMs }],
  )
  const worst = known.toSorted((a, b) => Math.abs(b.clockAheadMs) - Math.abs(a.clockAheadMs))[0]
  if (worst === undefined) return undefined
  const offMs = Math.abs(worst.clockAheadMs)
  const state = offMs < CLOCK_WARN_MS ? 'good' : offMs < CLOCK_FAULT_MS ? 'warns' : 'fault'
  const side = worst.clockAheadMs > 0 ? 'behind' : 'ahead of'
  const detail = `${duration(offMs)} ${side} that of coordinator ${worst.peerId}`
  return { state, told: new Set(known.map(({ peerId }) => peerId)).size, offMs, detail }
}
