import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { createProgram } from '../../../cli/program.js'

/** What a node answers, by path below the admin API. */
const answers = new Map<string, unknown>()
let server: Server
let dataDir = ''

beforeAll(async () => {
  server = createServer(({ url = '' }, response) => {
    const { pathname } = new URL(url, 'http://node')
    response.end(JSON.stringify(answers.get(pathname.replace('/admin/v1', '')) ?? {}))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  dataDir = mkdtempSync(join(tmpdir(), 'edgecoder-verdicts-'))
  const tokenFile = join(dataDir, 'admin-token')
  writeFileSync(tokenFile, 'token')
  const { port } = server.address() as AddressInfo
  const admin = { url: `http://127.0.0.1:${port}`, tokenFile, pid: process.pid }
  writeFileSync(join(dataDir, 'admin.json'), JSON.stringify(admin))
})

afterEach(() => {
  process.exitCode = undefined
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(dataDir, { recursive: true, force: true })
})

/** Runs a command in this process. @returns its exit code */
async function exitOf(...words: readonly string[]): Promise<unknown> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const before = process.listeners('SIGINT')
  const args = ['--json', '--node', dataDir, ...words]
  try {
    await (await createProgram(args)).parseAsync(args, { from: 'user' })
    const { exitCode } = process
    process.exitCode = undefined
    return exitCode ?? 0
  } finally {
    write.mockRestore()
    // Of the session, which ends with its process.
    for (const each of process.listeners('SIGINT')) {
      if (!before.includes(each)) process.removeListener('SIGINT', each)
    }
  }
}

const SEEN = {
  window: 1,
  startMs: 0,
  multiplier: '1',
  work: '0',
  tasks: 0,
  holds: 0,
  demand: '0',
  capacity: '0',
  nextMultiplier: '1',
}
const ISSUED = {
  window: 1,
  demand: '0',
  capacity: '0',
  load: '0',
  pool: '0',
  work: '0',
  contributors: '0',
  coordinators: '0',
  reserve: '0',
  accounts: 0,
  index: 2,
  timeMs: 0,
  inputs: [],
}

it.each([
  ['equal', { pricing: true, issuance: true }, 0],
  ['another price', { pricing: false, issuance: true }, 1],
  ['another payout', { pricing: true, issuance: false }, 1],
  ['a payout that cannot be compared', { pricing: true, issuance: false, missing: 'a log' }, 0],
])('economy windows: %s', async (_what, { pricing, issuance, ...more }, exit) => {
  answers.set('/economy/windows', {
    pricing: { open: SEEN, closed: [{ ...SEEN, index: 1, equal: pricing }] },
    issuance: { closer: 'c', closed: [{ ...ISSUED, equal: issuance, ...more }] },
  })
  expect(await exitOf('economy', 'windows')).toBe(exit)
})

it.each([
  ['0', 0],
  ['1', 1],
])('economy supply: a sum of %s', async (sum, exit) => {
  const names = ['issued', 'burnt', 'accounts', 'held', 'fees', 'treasury', 'reserve', 'inTransit']
  answers.set('/economy/supply', { ...Object.fromEntries(names.map((name) => [name, '0'])), sum })
  expect(await exitOf('economy', 'supply')).toBe(exit)
})

it.each([
  ['holds', 'canary', 0],
  ['waiting', 'batch', 0],
  ['broken', 'batch', 1],
  ['broken', 'full', 1],
  ['broken', 'paused', 0],
  ['broken', 'rolled-back', 0],
])('admin rollout status: the gate is %s, at %s', async (state, stage, exit) => {
  const said = { target: 'runtime', model: '', version: '2', reached: 'canary', before: '', reason: '' }
  const bounds = { batchPercent: 50, failureBasisPoints: 500, leastAttempts: 20 }
  const gate = { state, attempts: 20, failed: 9 }
  const rollout = {
    id: 'r',
    ...said,
    ...bounds,
    stage,
    sequence: 1,
    sinceMs: 0,
    offered: 1,
    cohorts: [],
    gate,
  }
  answers.set('/coordinator/rollouts', { rollouts: [rollout] })
  answers.set('/enrollment/requests', { coordinator: 'c', requests: [], overdue: [] })
  answers.set('/policy/messages', { messages: [], total: 0 })
  expect(await exitOf('admin', 'rollout', 'status')).toBe(exit)
})

it('ledger evidence: none, and some', async () => {
  answers.set('/ledger/evidence', { logs: [] })
  expect(await exitOf('ledger', 'evidence')).toBe(0)
  answers.set('/ledger/evidence', { logs: [{ origin: 'log', bytes: 1, evidence: 'AA==' }] })
  expect(await exitOf('ledger', 'evidence')).toBe(1)
  expect(await exitOf('ledger', 'evidence', 'log')).toBe(0)
})
