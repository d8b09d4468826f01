import { spawnSync } from 'node:child_process'
import { once } from 'node:events'

/**
 * Removes the namespaces it is given, with all that runs in them, once its stdin ends: the test closed it, or is no
 * more. It runs in a session of its own, so that what ends the test does not end it.
 */
const names = process.argv.slice(2)
process.stdin.resume()
await once(process.stdin, 'end')
for (const name of names) {
  const { status, stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
  // It was never made.
  if (status !== 0) continue
  for (const pid of stdout.split('\n').filter(Boolean)) end(Number(pid))
  spawnSync('ip', ['netns', 'del', name])
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself meanwhile.
  }
}
