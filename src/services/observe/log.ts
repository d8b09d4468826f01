import { type Logger, pino, stdTimeFunctions } from 'pino'
import type { Log, LogFields } from '../../ports/log.js'
import { logText } from './log-text.js'
import { redact } from './redaction.js'

type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Where lines go: one call per line, newline included. */
interface LogDestination {
  write(line: string): unknown
  readonly isTTY?: boolean
}

export interface LogInit {
  /** The least level written. */
  readonly level: LogLevel
  /** `auto` (default) = text on a terminal, JSON elsewhere. */
  readonly format?: 'auto' | 'json' | 'text'
  /** Default: standard error, so that standard output stays data. */
  readonly destination?: LogDestination
}

/** A log of JSON lines `{time, level, event, …fields}`, or short text lines on a terminal. Blanks secrets. */
export function createLog(init: LogInit): Log {
  const destination = init.destination ?? process.stderr
  const text = init.format === 'text' || (init.format !== 'json' && destination.isTTY === true)
  const colour = destination.isTTY === true && process.env['NO_COLOR'] === undefined
  const sink = text ? { write: (json: string) => destination.write(logText(json, colour)) } : destination
  const logger = pino(
    {
      level: init.level,
      base: null,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => void sink.write(line) },
  )
  return new PinoLog(logger)
}

class PinoLog implements Log {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  debug(event: string, fields?: LogFields): void {
    this.#write('debug', event, fields)
  }

  info(event: string, fields?: LogFields): void {
    this.#write('info', event, fields)
  }

  warn(event: string, fields?: LogFields): void {
    this.#write('warn', event, fields)
  }

  error(event: string, fields?: LogFields): void {
    this.#write('error', event, fields)
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(redact(fields)))
  }

  #write(level: LogLevel, event: string, fields: LogFields = {}): void {
    // Redaction costs more than the level test; skip it for lines nobody sees.
    if (this.#logger.isLevelEnabled(level)) this.#logger[level](redact(fields), event)
  }
}
