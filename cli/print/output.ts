/** Where a command speaks: data on stdout, talk on stderr. One for each run of the CLI. */
export interface Output {
  readonly json: boolean
  /** The command's answer: the object as JSON with --json, else the text made for people. */
  answer(value: unknown, text: () => string): void
  /** One line of a stream of answers (NDJSON with --json). */
  line(value: unknown, text: () => string): void
  /** Raw data, such as tokens as they come; nothing with --json. */
  raw(text: string): void
  /** Talk: progress and hints, one line on stderr; silent with --json. */
  say(text: string): void
  /** Talk that comes in pieces, on stderr as it is; silent with --json. */
  murmur(text: string): void
}

interface Streams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
}

export function createOutput(streams: Streams, json: boolean): Output {
  const write = (text: string) =>
    streams.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`)
  return {
    json,
    answer: (value, text) => write(json ? JSON.stringify(value, plain, 2) : text()),
    line: (value, text) => write(json ? JSON.stringify(value, plain) : text()),
    raw: (text) => {
      if (!json) streams.stdout.write(text)
    },
    say: (text) => {
      if (!json) streams.stderr.write(`${text}\n`)
    },
    murmur: (text) => {
      if (!json) streams.stderr.write(text)
    },
  }
}

/** JSON has no bigint: credits and fences are given as decimal strings. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
