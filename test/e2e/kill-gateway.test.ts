import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ResultJson } from '../../src/bridge/schemas/task.js'
import type { CliRun } from '../helpers/cli.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 1, workers: 1, gateways: 1 })
}, 120_000)

afterAll(() => held?.close())

/** Each test says itself when the worker runs. */
beforeEach(async () => {
  await held.mesh.kill('worker')
  await held.mesh.start(['coordinator', 'gateway'])
}, 60_000)

async function restart(): Promise<void> {
  await held.mesh.kill('gateway')
  await held.mesh.start(['gateway'])
}

/** A user who follows the task in a terminal. Resolves when the first event was shown; `end` when it is over. */
async function watching(id: string): Promise<{ readonly end: Promise<CliRun>; shown(): string }> {
  let shown = ''
  const onStdout = (stdout: string) => {
    shown = stdout
  }
  const end = held.mesh.cli(['task', 'watch', id, '--json'], { onStdout })
  await until('the first event to be shown', () => shown.includes('\n'))
  return { end, shown: () => shown }
}

/** What the user in the terminal was shown: one end, and the result. */
function expectWatchedToEnd(run: CliRun): void {
  expect(run).toMatchObject({ code: 0 })
  const lines = run.lines<{ type: string; seq?: number; task?: { state: string } }>()
  // Numbers never go back; a reset may share the one that was asked for.
  const seqs = lines.flatMap(({ type, seq }) => (seq === undefined || type === 'reset' ? [] : [seq]))
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b))
  expect(lines.filter((line) => line.task?.state === 'done')).toHaveLength(1)
  const last = lines.at(-1) as { type: string; result: unknown }
  expect(last.type).toBe('result')
  expect(ResultJson.parse(last.result).task.state).toBe('done')
}

describe('a gateway killed and restarted while a task', () => {
  it('waits: it is still there, and whoever watches it sees its end', async () => {
    await held.submit('queued')
    const watch = await watching('queued')
    await restart()
    held.letGo('queued')
    await held.mesh.start(['worker'])
    await held.expectDoneOnce('queued', 1)
    expectWatchedToEnd(await watch.end)
    expect(held.begun('queued')).toBe(1)
  })

  it('is leased: the worker gets the payload from the restarted one', async () => {
    const { mesh, gateway } = held
    await held.submit('leased')
    gateway.signal('SIGSTOP')
    await mesh.start(['worker'])
    await held.standsAt(mesh.get('coordinator'), 'leased', 'leased')
    held.letGo('leased')
    await restart()
    await held.expectDoneOnce('leased', 1)
    expect(held.begun('leased')).toBe(1)
  })

  it('runs: the attempt goes on, no word of it is lost, and watching goes on', async () => {
    await held.mesh.start(['worker'])
    await held.submit('running')
    await held.running('running')
    const watch = await watching('running')
    await until('the first words to be shown', () => watch.shown().includes('You said'))
    await restart()
    held.letGo('running')
    await held.expectDoneOnce('running', 1)
    expectWatchedToEnd(await watch.end)
    expect(held.begun('running')).toBe(1)
  })

  it('is being delivered: the result arrives at the restarted one', async () => {
    const { mesh, gateway } = held
    await mesh.start(['worker'])
    await held.submit('delivering')
    const worker = await held.running('delivering')
    gateway.signal('SIGSTOP')
    held.letGo('delivering')
    await worker.statusWhere('deliver', ({ worker: at }) => at?.running[0]?.stage === 'delivering')
    await restart()
    await held.expectDoneOnce('delivering', 1)
    expect(held.begun('delivering')).toBe(1)
    await worker.statusWhere('have nothing to do', ({ worker: at }) => at?.running.length === 0)
  })

  it('was done: its result and its events are still there', async () => {
    await held.mesh.start(['worker'])
    held.letGo('done')
    await held.submit('done')
    await held.expectDoneOnce('done', 1)
    await restart()
    await held.expectDoneOnce('done', 1)
    expect(await held.submit('done')).toMatchObject({ state: 'done' })
    expect(held.begun('done')).toBe(1)
    expectWatchedToEnd(await held.mesh.cli(['task', 'watch', 'done', '--json']))
  })
})
