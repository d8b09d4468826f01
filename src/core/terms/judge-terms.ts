import { isOpenAt, nextTurnMs, type WallClock } from './hours.js'
import type { MachineReading } from './machine-reading.js'
import type { ContributorTerms } from './terms.js'

/** Why the terms keep the worker from work. */
export type Closing = 'outside-hours' | 'in-use' | 'on-battery' | 'too-hot'

/**
 * What becomes of attempts that run when the terms close: at the end of its hours the worker finishes what it
 * began; whoever comes back to the machine gets it at once, and battery and heat do not wait either.
 */
export const WHEN_CLOSED = {
  'outside-hours': 'finish',
  'in-use': 'hand-back',
  'on-battery': 'hand-back',
  'too-hot': 'hand-back',
} as const satisfies Readonly<Record<Closing, 'finish' | 'hand-back'>>

export interface Closed {
  readonly closing: Closing
  /** For the contributor. */
  readonly detail: string
  /** When it ends, if that is known; wall clock. */
  readonly untilMs?: number
}

/** What the judgment of one moment hands on to the next. */
export interface TermsMemory {
  /** When the machine was last used, as far as it was seen; wall clock. */
  readonly usedMs?: number
  readonly tooHot: boolean
}

export interface TermsJudgment {
  /** Every reason why no work is taken now; empty = the terms are open. */
  readonly closed: readonly Closed[]
  readonly memory: TermsMemory
}

/** Share of all cores from which other programs' work counts as use of the machine (BOINC's default, too). */
const OTHERS_CPU_RATIO = 0.25
/** Once too hot, it cools down by this much before work begins again. */
const COOL_C = 5

/**
 * May this worker take work now? What the machine cannot tell is not held against it.
 *
 * @param nowMs wall clock
 */
export function judgeTerms(
  terms: ContributorTerms,
  reading: MachineReading,
  memory: TermsMemory,
  wall: WallClock,
  nowMs: number,
): TermsJudgment {
  const usedMs = lastUseMs(reading, memory, nowMs)
  const tooHot = isTooHot(terms, reading, memory)
  const closed = [
    ...outsideHours(terms, wall, nowMs),
    ...inUse(terms, usedMs, nowMs),
    ...onBattery(terms, reading),
    ...(tooHot ? [heat(terms, reading)] : []),
  ]
  return { closed, memory: { ...(usedMs === undefined ? {} : { usedMs }), tooHot } }
}

/** What the terms ask for that this machine cannot tell, for the contributor to know. */
export function untold(terms: ContributorTerms, reading: MachineReading): readonly string[] {
  const said: string[] = []
  if (terms.idleMs > 0 && reading.inputIdleMs === undefined)
    said.push('input of a keyboard or mouse is not seen here: only other programs’ work counts as use')
  if (terms.idleMs > 0 && reading.othersCpuRatio === undefined)
    said.push('other programs’ work is not told apart from our own now: only input counts as use')
  if (terms.hottestC > 0 && reading.hottestC === undefined)
    said.push('no temperature can be read here: heat does not limit')
  return said
}

/** The latest sign of use; a clock that was put back cannot make it lie in the future. */
function lastUseMs(
  { inputIdleMs, othersCpuRatio }: MachineReading,
  memory: TermsMemory,
  nowMs: number,
): number | undefined {
  const signs = [
    ...(memory.usedMs === undefined ? [] : [Math.min(memory.usedMs, nowMs)]),
    ...(inputIdleMs === undefined ? [] : [nowMs - Math.max(0, inputIdleMs)]),
    ...(othersCpuRatio !== undefined && othersCpuRatio >= OTHERS_CPU_RATIO ? [nowMs] : []),
  ]
  return signs.length === 0 ? undefined : Math.max(...signs)
}

function outsideHours({ hours }: ContributorTerms, wall: WallClock, nowMs: number): readonly Closed[] {
  if (isOpenAt(hours, wall(nowMs))) return []
  const untilMs = nextTurnMs(hours, wall, nowMs)
  const detail = 'it is outside the hours of this worker'
  return [{ closing: 'outside-hours', detail, ...(untilMs === undefined ? {} : { untilMs }) }]
}

function inUse({ idleMs }: ContributorTerms, usedMs: number | undefined, nowMs: number): readonly Closed[] {
  if (idleMs === 0 || usedMs === undefined || nowMs - usedMs >= idleMs) return []
  const minutes = idleMs / 60_000
  const detail = `somebody uses this machine: it works once that was not so for ${minutes} minutes`
  return [{ closing: 'in-use', detail, untilMs: usedMs + idleMs }]
}

function onBattery({ batteryPercent }: ContributorTerms, { battery }: MachineReading): readonly Closed[] {
  if (battery === undefined || !battery.discharging || batteryPercent === 0) return []
  if (batteryPercent === 100) return [{ closing: 'on-battery', detail: 'this machine runs on battery' }]
  if (battery.chargePercent >= batteryPercent) return []
  const detail = `the battery has ${battery.chargePercent} % left: it works from ${batteryPercent} % on`
  return [{ closing: 'on-battery', detail }]
}

function isTooHot({ hottestC }: ContributorTerms, reading: MachineReading, { tooHot }: TermsMemory): boolean {
  if (hottestC === 0 || reading.hottestC === undefined) return false
  return reading.hottestC > (tooHot ? hottestC - COOL_C : hottestC)
}

function heat({ hottestC }: ContributorTerms, reading: MachineReading): Closed {
  const now = Math.round(reading.hottestC ?? hottestC)
  const cool = hottestC - COOL_C
  const detail = `this machine has ${now} °C, over ${hottestC} °C: it works again at ${cool} °C`
  return { closing: 'too-hot', detail }
}
