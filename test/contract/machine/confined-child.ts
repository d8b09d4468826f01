// Confines itself, and tells how many cores it and its children may use; a process of its own, since it stays so.
import { execFile, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { createMachine } from '../../../src/services/machine/create-machine.js'

const run = promisify(execFile)
const machine = createMachine()
const before = spawn('sleep', ['60'])

async function coresOf(pid: number): Promise<number> {
  const { stdout } = await run('taskset', ['-p', String(pid)])
  const mask = BigInt(`0x${stdout.trim().split(' ').at(-1)?.replaceAll(',', '')}`)
  return mask.toString(2).replaceAll('0', '').length
}

const seen: unknown[] = []
for (const percent of [50, 1, 100]) {
  const fault = await machine.confine(percent)
  if (fault !== undefined) throw new Error(fault)
  const after = spawn('sleep', ['60'])
  seen.push({
    percent,
    own: availableParallelism(),
    before: await coresOf(before.pid ?? 0),
    after: await coresOf(after.pid ?? 0),
  })
  after.kill()
}
before.kill()
process.stdout.write(JSON.stringify(seen))
