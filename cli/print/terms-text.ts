import type { TermsJson } from '../../src/bridge/schemas/terms.js'
import { facts, table } from './table.js'

const RUNNING = {
  finish: 'what runs is finished',
  'hand-back': 'what ran was handed back, and others get it',
} as const

/** `node terms show` for people. */
export function termsText({ closed, terms, notes }: TermsJson): string {
  const works = closed.map((each) => `no: ${closedText(each)}; ${RUNNING[each.running]}`)
  return [
    table(
      ['term', 'value', 'from'],
      terms.map(({ name, value, from }) => [name, value, from === 'here' ? 'set here' : 'settings']),
    ),
    facts([
      ['Works now', works.length === 0 ? 'yes' : works.join('\n           ')],
      ['Note', notes.length === 0 ? undefined : notes.join('\n           ')],
    ]),
  ].join('\n\n')
}

/** Why work is not taken now, and until when. */
export function closedText({ detail, untilMs }: TermsJson['closed'][number]): string {
  return untilMs === undefined ? detail : `${detail}, until ${localText(untilMs)}`
}

/** By the clock of whoever reads it: hours are given by it, too. */
export function localText(atMs: number): string {
  const date = new Date(atMs)
  const two = (part: number) => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`
}
