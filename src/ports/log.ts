/** Values that may reach a log. Prompts, files, tokens, keys and results never do. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | bigint | undefined | Error | readonly string[]>
>

/** Structured log; `event` is a short kebab-case name that stays the same, so that it can be searched for. */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  child(fields: LogFields): Log
}
