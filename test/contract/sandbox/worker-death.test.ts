import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { sweepJobFolders } from '../../../src/services/sandbox/job-folder.js'
import { createRoom, noneWith, processesWith } from './bench-room.js'

describe('a worker that is killed', () => {
  it.each(['bubblewrap', 'deno'])('takes its %s program with it', async (kind) => {
    const room = createRoom()
    const marker = `doomed-${randomUUID()}`
    const script = fileURLToPath(new URL('./doomed-worker.ts', import.meta.url))
    const worker = spawn(process.execPath, ['--import', 'tsx', script, kind, marker], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const [said] = await once(worker.stdout, 'data')
      expect(String(said)).toContain('running')
      expect(processesWith(marker).length).toBeGreaterThan(1)
      const exited = once(worker, 'exit')
      worker.kill('SIGKILL')
      await exited
      await noneWith(marker)
      expect(room.leftovers()).not.toEqual([])
      await sweepJobFolders()
      expect(room.leftovers()).toEqual([])
    } finally {
      worker.kill('SIGKILL')
      room.remove()
    }
  })
})
