import { InvalidArgumentError } from 'commander'
import { CREDIT } from '../src/core/economy/fixed-point.js'

/** Digits of a microcredit. */
const PLACES = 6

/** Reads credits, such as 25 or 0.5, as microcredits; exact. @throws InvalidArgumentError */
export function credits(text: string): bigint {
  const [, whole = '', part = ''] = /^(\d{1,12})(?:\.(\d{1,6}))?$/.exec(text) ?? []
  const microcredits = whole === '' ? 0n : BigInt(whole) * CREDIT + BigInt(part.padEnd(PLACES, '0'))
  if (microcredits > 0n) return microcredits
  throw new InvalidArgumentError('Credits above 0 are needed, such as 25 or 0.5, to six places.')
}

/** Microcredits as credits, without zeros at the end; what is below zero with a minus. */
export function creditsText(microcredits: bigint): string {
  if (microcredits < 0n) return `-${creditsText(-microcredits)}`
  const part = String(microcredits % CREDIT)
    .padStart(PLACES, '0')
    .replace(/0+$/, '')
  return `${microcredits / CREDIT}${part === '' ? '' : `.${part}`}`
}
