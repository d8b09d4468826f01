import { createReadStream, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Command } from 'commander'
import { EdgeCoderError } from '../../src/core/errors.js'
import { whole } from '../number-option.js'
import { sessionOf } from '../session.js'

interface LogsOptions {
  readonly lines: number
  readonly follow?: boolean
}

const LOOK_AGAIN_MS = 200

/** `edgecoder node logs`: what a node of the local mesh wrote; under systemd the journal has it. */
export function registerLogs(node: Command): void {
  node
    .command('logs')
    .description('what a node of the local mesh wrote (one JSON object a line)')
    .option('--lines <n>', 'the last lines', whole(1, 100_000), 50)
    .option('-f, --follow', 'go on until Ctrl-C')
    .action(async (options: LogsOptions, command: Command) => {
      const session = sessionOf(command)
      const path = join(session.dataDir(['worker']), 'runtime.log')
      if (!existsSync(path)) {
        throw new EdgeCoderError(
          'not-found',
          `there is no ${path}: this node was not started by \`edgecoder up\``,
          {
            next: 'Under systemd: journalctl -u edgecoder -f. Name another node with --node.',
          },
        )
      }
      const end = statSync(path).size
      for (const line of await lastLines(path, end, options.lines)) process.stdout.write(`${line}\n`)
      if (options.follow === true) await follow(path, end, session.signal)
    })
}

async function lastLines(path: string, end: number, count: number): Promise<readonly string[]> {
  const last: string[] = []
  if (end === 0) return last
  const lines = createInterface({ input: createReadStream(path, { end: end - 1 }) })
  for await (const line of lines) {
    last.push(line)
    if (last.length > count) last.shift()
  }
  return last
}

/** Prints what is appended, from `start` on. A file has no event for that on every system, so it is looked at. */
async function follow(path: string, start: number, signal: AbortSignal): Promise<void> {
  let at = start
  while (!signal.aborted) {
    const { size } = statSync(path)
    if (size > at) {
      for await (const chunk of createReadStream(path, { start: at, end: size - 1 }))
        process.stdout.write(chunk)
      at = size
    }
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_AGAIN_MS)
    })
  }
}
