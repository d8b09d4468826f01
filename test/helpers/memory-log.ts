import type { Log, LogFields } from '../../src/ports/log.js'

export interface LoggedEvent {
  readonly event: string
  readonly fields: LogFields
}

/** Keeps what is logged instead of writing it. */
export function memoryLog(): Log & { readonly events: LoggedEvent[] } {
  const events: LoggedEvent[] = []
  const keep = (event: string, fields: LogFields = {}): void => void events.push({ event, fields })
  const log = { events, debug: keep, info: keep, warn: keep, error: keep, child: (): Log => log }
  return log
}
