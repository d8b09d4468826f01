import { z } from 'zod'

const line = z.looseObject({ time: z.string(), level: z.string(), event: z.string() })
// Colours by level; only these four levels exist.
const COLOURS: Readonly<Record<string, string>> = { debug: '90', info: '36', warn: '33', error: '31' }

/** One JSON log line for a person: `12:34:56.789 info  event name=value`; line breaks in values escaped. */
export function logText(json: string, colour: boolean): string {
  const { time, level, event, ...fields } = line.parse(JSON.parse(json))
  const code = COLOURS[level] ?? '0'
  const shownLevel = colour ? `\u001b[${code}m${level.padEnd(5)}\u001b[0m` : level.padEnd(5)
  const parts = Object.entries(fields).map(([name, value]) => ` ${name}=${fieldText(value)}`)
  return `${time.slice(11, 23)} ${shownLevel} ${event}${parts.join('')}\n`
}

function fieldText(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value
  return JSON.stringify(value)
}
