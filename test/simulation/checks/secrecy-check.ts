import type { Check, Report, SimEvent } from '../events.js'

/** No prompt, file or answer reaches a coordinator, by no link, gossip or disk; nor any log of anybody. */
export class SecrecyCheck implements Check {
  readonly #report: Report
  readonly #secret: Buffer

  constructor(report: Report, secret: string) {
    this.#report = report
    this.#secret = Buffer.from(secret)
  }

  see(event: SimEvent): void {
    const { at } = event
    if (event.type === 'logged') {
      const text = JSON.stringify(event.fields, (_key, value: unknown) => {
        if (typeof value === 'bigint') return String(value)
        return value instanceof Error ? `${value.message} ${value.stack}` : value
      })
      if (text.includes(this.#secret.toString())) this.#report('secrecy', `${at} logs it: ${event.event}`)
    }
    if (!at.startsWith('c')) return
    if (event.type === 'received' && this.#shows(event.bytes)) {
      this.#report('secrecy', `${at} receives it from ${event.peer}: ${event.speech.body.case}`)
    } else if (event.type === 'gossip' && this.#shows(event.bytes)) {
      this.#report('secrecy', `${at} hears it in gossip of ${event.peer}`)
    } else if (event.type === 'writing') {
      for (const write of event.writes) {
        if (
          write.key.includes(this.#secret.toString()) ||
          (write.type === 'put' && this.#shows(write.value))
        ) {
          this.#report('secrecy', `${at} stores it under ${write.key}`)
        }
      }
    }
  }

  #shows(bytes: Uint8Array): boolean {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(this.#secret)
  }
}
