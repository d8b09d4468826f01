import { EdgeCoderError } from '../../core/errors.js'

/**
 * Takes the bytes of a server-sent event stream in any pieces; gives the data of each event as it is
 * complete.
 */
export interface SseReader {
  /** @throws EdgeCoderError `engine-failed` when one event is over 1 MiB */
  push(bytes: Uint8Array): readonly string[]
  /** The event that the stream ended in; servers often leave out the last empty line. */
  end(): readonly string[]
}

/** A token with its head is about 300 bytes. */
const LONGEST_EVENT_CHARS = 1024 * 1024

/** Event names, ids and comments are left out: no engine puts anything into them. */
export function createSseReader(): SseReader {
  const decoder = new TextDecoder()
  let rest = ''
  let data: string[] = []
  let dataChars = 0

  const readLine = (line: string, events: string[]): void => {
    if (line === '') {
      if (data.length > 0) events.push(data.join('\n'))
      data = []
      dataChars = 0
      return
    }
    if (!line.startsWith('data:')) return
    const value = line.slice(line.startsWith('data: ') ? 6 : 5)
    data.push(value)
    dataChars += value.length
  }

  const read = (text: string): readonly string[] => {
    const events: string[] = []
    rest += text
    // A "\r" at the very end may be half of a line end, so it waits.
    const lines = rest.split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) readLine(line, events)
    if (rest.length + dataChars > LONGEST_EVENT_CHARS) {
      throw new EdgeCoderError('engine-failed', 'The engine sent an event over 1 MiB.')
    }
    return events
  }

  return {
    push: (bytes) => read(decoder.decode(bytes, { stream: true })),
    end: () => read(`${decoder.decode()}\n\n`),
  }
}
