import type { ChildProcess } from 'node:child_process'

export interface OutputListener {
  /** The mark came: the program runs. */
  started(): void
  /** More came than may. */
  flooded(): void
  grew(totalBytes: number): void
}

/** What comes before the mark can only be our own. */
const PREAMBLE_BYTES = 4096

/** Collects stdout and stderr up to a bound for both together; bytes that are no UTF-8 read as U+FFFD. */
export class Output {
  readonly #mark: string
  readonly #bound: number
  readonly #chunks: { readonly stdout: Buffer[]; readonly stderr: Buffer[] } = { stdout: [], stderr: [] }
  #preamble = Buffer.alloc(0)
  #bytes = 0
  begun = false
  truncated = false

  constructor(mark: string, bound: number) {
    this.#mark = mark
    this.#bound = bound
  }

  get stdout(): string {
    return Buffer.concat(this.#chunks.stdout).toString('utf8')
  }

  get stderr(): string {
    return Buffer.concat(this.#chunks.stderr).toString('utf8')
  }

  take(child: Pick<ChildProcess, 'stdout' | 'stderr'>, listener: OutputListener): void {
    child.stdout?.on('data', (chunk: Buffer) => {
      const own = this.begun ? chunk : this.#afterMark(chunk, listener)
      if (own.length > 0) this.#add('stdout', own, listener)
    })
    child.stderr?.on('data', (chunk: Buffer) => this.#add('stderr', chunk, listener))
    child.stdout?.on('error', () => undefined)
    child.stderr?.on('error', () => undefined)
  }

  #afterMark(chunk: Buffer, listener: OutputListener): Buffer {
    this.#preamble = Buffer.concat([this.#preamble, chunk])
    const line = `${this.#mark}\n`
    const at = this.#preamble.indexOf(line)
    if (at < 0) {
      if (this.#preamble.length > PREAMBLE_BYTES) listener.flooded()
      return Buffer.alloc(0)
    }
    this.begun = true
    listener.started()
    return this.#preamble.subarray(at + line.length)
  }

  #add(stream: 'stdout' | 'stderr', chunk: Buffer, listener: OutputListener): void {
    const room = this.#bound - this.#bytes
    this.#chunks[stream].push(chunk.subarray(0, room))
    this.#bytes += Math.min(room, chunk.length)
    if (chunk.length > room) {
      this.truncated = true
      listener.flooded()
    } else if (this.begun) {
      listener.grew(this.#bytes)
    }
  }
}
