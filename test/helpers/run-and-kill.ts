import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'vitest'

/**
 * Runs a child that prints what is acknowledged to it, a line each, and kills it with -9.
 *
 * @param killAfter lines
 * @returns the lines that it printed whole
 */
export async function runAndKill(
  child: string,
  path: string,
  { round, killAfter }: { readonly round: number; readonly killAfter: number },
): Promise<readonly string[]> {
  const running = spawn(process.execPath, ['--import', 'tsx', child, path, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    if (printed.split('\n').length > killAfter) running.kill('SIGKILL')
  })
  const [, signal] = await once(running, 'close')
  expect(signal).toBe('SIGKILL')
  return printed.split('\n').slice(0, -1)
}
