/** One server-sent event as read: an absent id or name is an empty text. */
export interface ServerSentEvent {
  readonly id: string
  readonly name: string
  readonly data: string
}

/** A comment keeps proxies and clients from judging a quiet stream dead. */
export const KEEP_ALIVE = ': keep-alive\n\n'

/** @param data one line, as JSON is */
export function sseText(event: {
  readonly id?: number
  readonly name?: string
  readonly data: string
}): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`
  const name = event.name === undefined ? '' : `event: ${event.name}\n`
  return `${id}${name}data: ${event.data}\n\n`
}

/**
 * Reads a stream of server-sent events; comments are skipped.
 *
 * @param maxEventBytes the stream ends with a RangeError when one event grows past it
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export async function* readEvents(
  source: AsyncIterable<Uint8Array>,
  maxEventBytes: number,
): AsyncGenerator<ServerSentEvent> {
  let open = { id: '', name: '', data: [] as string[] }
  let size = 0
  const lines = new Lines()
  for await (const bytes of source) {
    for (const line of lines.push(bytes)) {
      if (line === '') {
        if (open.data.length > 0) yield { id: open.id, name: open.name, data: open.data.join('\n') }
        open = { id: open.id, name: '', data: [] }
        size = 0
        continue
      }
      size += line.length
      readLine(line, open)
    }
    if (size + lines.heldCharacters > maxEventBytes) {
      throw new RangeError(`an event is over ${maxEventBytes} bytes`)
    }
  }
}

/** Cuts bytes into lines; each byte is looked at once, however long its line. */
class Lines {
  readonly #decoder = new TextDecoder()
  #held: string[] = []
  heldCharacters = 0

  /** @returns the lines that `bytes` complete */
  push(bytes: Uint8Array): string[] {
    const text = this.#decoder.decode(bytes, { stream: true })
    if (text === '') return []
    // A lone "\r" at the end of a piece may be half of "\r\n": it waits for the next piece.
    const waits = this.#held.at(-1)?.endsWith('\r') === true
    if (!waits && !/[\r\n]/.test(text)) {
      this.#held.push(text)
      this.heldCharacters += text.length
      return []
    }
    const lines = (this.#held.join('') + text).split(/\r\n|\n|\r(?!$)/)
    const rest = lines.pop() ?? ''
    this.#held = [rest]
    this.heldCharacters = rest.length
    return lines
  }
}

function readLine(line: string, open: { id: string; name: string; data: string[] }): void {
  const colon = line.indexOf(':')
  const field = colon < 0 ? line : line.slice(0, colon)
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
  if (field === 'data') open.data.push(value)
  else if (field === 'event') open.name = value
  else if (field === 'id') open.id = value
}
