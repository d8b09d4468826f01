import { Duplex } from 'node:stream'
import { EdgeCoderError } from '../../core/errors.js'

/**
 * Runs as `sh -c` around the program, with our socket as fd 3: it says that it is there, waits until its
 * processes are in their control group, and tells the CPU times at the end. The program does not get fd 3.
 *
 * @param prepare commands to run before the program, each ending in ";"
 */
export function insideScript(prepare = ''): string {
  return `echo ready >&3; IFS= read -r go <&3 || exit 1; ${prepare} "$@" 3<&-; code=$?; times >&3; exit $code`
}

/** Of all that the shell says; a program cannot write here. */
const SAID_CHARS = 1024

/** The worker's end of the socket. */
export class Gate {
  readonly #socket: Duplex
  #said = ''

  constructor(socket: unknown) {
    if (!(socket instanceof Duplex)) {
      throw new EdgeCoderError('sandbox-failed', 'The gate to the sandbox could not be opened.')
    }
    this.#socket = socket
  }

  /** @param ready called once, when all processes of the walls are up and none of the program's is */
  open(ready: () => void): void {
    let opened = false
    this.#socket.setEncoding('latin1')
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (more: string) => {
      if (this.#said.length < SAID_CHARS) this.#said += more
      if (opened || !this.#said.includes('\n')) return
      opened = true
      ready()
      this.#socket.write('go\n')
    })
  }

  /** CPU time of all children that the shell waited for, and its own; 0 when it was killed. */
  get cpuMs(): number {
    const parts = [...this.#said.matchAll(/(\d+)m([\d.]+)s/g)].slice(0, 4)
    const ms = parts.map(([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1000)
    return Math.round(ms.reduce((sum, part) => sum + part, 0))
  }

  close(): void {
    this.#socket.destroy()
  }
}
