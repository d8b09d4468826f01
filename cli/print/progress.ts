import type { Output } from './output.js'

/** Tells how far long work is. */
export interface Progress {
  show(text: string): void
  /** Takes the last line away, where it can be. */
  end(): void
}

const TERMINAL_MS = 100
/** Where nobody watches, a line now and then shows that it goes on. */
const PLAIN_MS = 5_000

/** On a terminal one line that changes, else plain lines; on stderr, and silent with --json. */
export function createProgress(out: Output, isTerminal = process.stderr.isTTY === true): Progress {
  let toldMs = isTerminal ? 0 : Date.now()
  let width = 0
  return {
    show(text) {
      const nowMs = Date.now()
      if (nowMs - toldMs < (isTerminal ? TERMINAL_MS : PLAIN_MS)) return
      toldMs = nowMs
      if (!isTerminal) return out.say(text)
      out.murmur(`\r${text.padEnd(width)}`)
      width = text.length
    },
    end() {
      if (isTerminal && width > 0) out.murmur(`\r${' '.repeat(width)}\r`)
      width = 0
    },
  }
}
