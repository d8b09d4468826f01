import { InvalidArgumentError } from 'commander'

/** Reads an option that is a number above 0. @throws InvalidArgumentError, which names the option and exits 2 */
export function positive(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('A number above 0 is needed.')
}

/** Reads an option that is a number from `least` to `most`. */
export function within(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (text.trim() !== '' && number >= least && number <= most) return number
    throw new InvalidArgumentError(`A number from ${least} to ${most} is needed.`)
  }
}

/** Reads an option that is a whole number from `least` to `most`. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (text.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is needed.`)
  }
}

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads an option that is a time, such as 90m, 24h or 7d. @returns milliseconds */
export function time(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (unit === 'm' || unit === 'h' || unit === 'd') return Number(digits) * UNIT_MS[unit]
  throw new InvalidArgumentError('A time is needed, such as 90m, 24h or 7d.')
}
