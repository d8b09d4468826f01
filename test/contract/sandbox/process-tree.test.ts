import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { isAlive, readPsTree, readTree, type TreeUse } from '../../../src/services/sandbox/process-tree.js'

/** A process with a child that holds 80 MiB and has worked for over a second, the unit of ps on Linux. */
const GROW = `const held = Buffer.alloc(80 * 1024 * 1024, 1)
while (process.cpuUsage().user < 1_200_000) held.fill(2)
console.log('grown'); setInterval(() => held, 1e6)`
const PARENT = `require('child_process').spawn(process.execPath, ['-e', process.argv[1]], { stdio: 'inherit' })`

describe('what a process tree uses', () => {
  let child: ChildProcess | undefined
  afterEach(() => {
    if (child?.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  })

  it('is read from /proc, and from ps where there is none', async () => {
    child = spawn(process.execPath, ['-e', PARENT, GROW], {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const { pid = 0, stdout } = child
    if (stdout === null) throw new Error('no stdout')
    await once(stdout, 'data')
    const [proc, ps]: TreeUse[] = [readTree(pid), readPsTree(pid)]
    for (const use of [proc, ps]) {
      expect(use?.pids.length).toBe(2)
      expect(use?.pids[0]).toBe(pid)
      expect(use?.memoryBytes).toBeGreaterThan(80 * 1024 * 1024)
      expect(use?.cpuMs).toBeGreaterThanOrEqual(1000)
    }
    expect(proc?.pids).toEqual(ps?.pids)
    expect(proc?.tasks).toBeGreaterThan(2)
    expect(proc?.pids.every(isAlive)).toBe(true)
  })

  it('is nothing for a process that is no more', async () => {
    const gone = spawn(process.execPath, ['-e', ''])
    const { pid = 0 } = gone
    await once(gone, 'exit')
    expect([readTree(pid).cpuMs, readPsTree(pid).pids, isAlive(pid)]).toEqual([0, [], false])
  })
})
