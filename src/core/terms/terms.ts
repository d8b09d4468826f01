import { type HourWindow, parseHours } from './hours.js'

/** On what terms a contributor lends a machine. */
export interface ContributorTerms {
  /** None = at all hours. */
  readonly hours: readonly HourWindow[]
  /** Works only when nobody used the machine for so long; 0 = also while it is used. */
  readonly idleMs: number
  /** Of all cores, 1…100, for models and strangers' code. */
  readonly cpuPercent: number
  /** Most that one program in the sandbox may have; 0 = what its task asks for. */
  readonly memoryMib: number
  /** Least charge to work on battery; 100 = never on battery, 0 = at any charge. */
  readonly batteryPercent: number
  /** Works up to this temperature, in degrees Celsius; 0 = at any. */
  readonly hottestC: number
  /** Least price taken, for a task; 0 = any. */
  readonly priceFloorMicrocredits: bigint
  /** Tasks of the contributor's own account go before those of others. */
  readonly ownFirst: boolean
  /** Most that goes out in a second when model files are lent to other workers; 0 = none is lent. */
  readonly uploadKibPerS: number
}

/** The terms by the names that people set them under, in the order in which they are shown. */
export const TERM_NAMES = [
  'hours',
  'idleMinutes',
  'cpuPercent',
  'memoryMib',
  'batteryPercent',
  'hottestC',
  'priceFloorMicrocredits',
  'ownFirst',
  'uploadKibPerS',
] as const

export type TermName = (typeof TERM_NAMES)[number]

/** Terms as texts: what settings hold, and what is kept when they are changed while the node runs. */
export type TermTexts = Readonly<Record<TermName, string>>

const WHOLE = /^\d{1,18}$/
const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440
/** A program in the sandbox needs about as much as the runtime itself. */
const LEAST_MEMORY_MIB = 128
const MOST_MEMORY_MIB = 1_048_576

/** With less, who takes a file would give up on it as too slow. */
const LEAST_UPLOAD_KIB = 64
const MOST_UPLOAD_KIB = 1_048_576

/** Why a text cannot be the value of a term; undefined = it can. */
export function termFault(name: TermName, text: string): string | undefined {
  switch (name) {
    case 'hours': {
      const hours = parseHours(text)
      return typeof hours === 'string' ? hours : undefined
    }
    case 'idleMinutes':
      return wholeFault(text, 0, DAY_MINUTES)
    case 'cpuPercent':
      return wholeFault(text, 1, 100)
    case 'memoryMib':
      return text === '0' ? undefined : wholeFault(text, LEAST_MEMORY_MIB, MOST_MEMORY_MIB)
    case 'batteryPercent':
      return wholeFault(text, 0, 100)
    case 'hottestC':
      return text === '0' ? undefined : wholeFault(text, 30, 120)
    case 'priceFloorMicrocredits':
      return WHOLE.test(text) ? undefined : 'must be a whole number of microcredits, at most 18 digits'
    case 'ownFirst':
      return text === 'true' || text === 'false' ? undefined : 'must be true or false'
    case 'uploadKibPerS':
      return text === '0' ? undefined : wholeFault(text, LEAST_UPLOAD_KIB, MOST_UPLOAD_KIB)
  }
}

/** Terms of texts in which {@link termFault} finds no fault. */
export function termsOf(texts: TermTexts): ContributorTerms {
  const hours = parseHours(texts.hours)
  return {
    hours: typeof hours === 'string' ? [] : hours,
    idleMs: Number(texts.idleMinutes) * MINUTE_MS,
    cpuPercent: Number(texts.cpuPercent),
    memoryMib: Number(texts.memoryMib),
    batteryPercent: Number(texts.batteryPercent),
    hottestC: Number(texts.hottestC),
    priceFloorMicrocredits: BigInt(texts.priceFloorMicrocredits),
    ownFirst: texts.ownFirst === 'true',
    uploadKibPerS: Number(texts.uploadKibPerS),
  }
}

function wholeFault(text: string, least: number, most: number): string | undefined {
  if (WHOLE.test(text) && Number(text) >= least && Number(text) <= most) return undefined
  return `must be a whole number from ${least} to ${most}`
}
