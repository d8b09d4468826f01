import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LEDGER_ROUTES } from '../../../src/bridge/admin/ledger-routes.js'
import { ADMIN_ROUTES } from '../../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../../src/core/errors.js'
import { refusal } from '../../../src/core/refusal.js'
import { writeBackupFile } from '../../../src/node/backup-files.js'
import type { Coordinator } from '../../../src/roles/coordinator/coordinator.js'
import type { AuditEvent, LedgerOffice } from '../../../src/roles/coordinator/ledger-office.js'
import type { AuditReport } from '../../../src/roles/ledger/audit.js'
import { type AdminUnderTest, startAdmin } from '../../helpers/admin-under-test.js'
import { until } from '../../helpers/until.js'

const ORIGIN = 'edgecoder/net/log/12D3KooWhome/1'
const REPORT: AuditReport = {
  origin: ORIGIN,
  complete: true,
  size: 3,
  root: new Uint8Array(32).fill(1),
  kinds: { genesis: 1, policy: 2 },
  checkpoints: 1,
  signatures: 3,
  balances: 0,
  records: 4,
  mismatches: [],
  mismatchCount: 0,
}

let admin: AdminUnderTest
let folder: string
let signals: AbortSignal[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-ledger-'))
  signals = []
})

afterEach(async () => {
  await admin?.stop()
  rmSync(folder, { recursive: true, force: true })
})

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
}

/** Tells one thing, and then goes on until it is interrupted. */
async function* endless<T>(first: T, signal: AbortSignal): AsyncIterable<T> {
  signals.push(signal)
  yield first
  await aborted(signal)
}

async function* told<T>(...all: readonly T[]): AsyncIterable<T> {
  yield* all
}

const PROGRESS: AuditEvent = { type: 'progress', origin: ORIGIN, entries: 1, of: 3, mismatches: 0 }

function officeWith(part: Partial<LedgerOffice>): LedgerOffice {
  return {
    audit: () => told<AuditEvent>(PROGRESS, { type: 'report', report: REPORT }),
    prove: async () => refusal('not-found', 'no such entry'),
    backup: () => told(new Uint8Array()),
    reconcile: async () => {
      throw new EdgeCoderError('store-failed', 'the disk does not answer')
    },
    evidence: () => [{ origin: ORIGIN, evidence: Buffer.from('proof') }],
    readmit: async () => undefined,
    confirm: (override) => (override ? undefined : refusal('log-unconfirmed', 'not asked yet')),
    release: async () => undefined,
    slices: {
      list: () => [{ account: 'ann', home: 'first', at: 'second', amount: 5n, idleMs: 1_000 }],
      giveBack: async (account) =>
        account === 'ann' ? { amount: 5n } : refusal('not-found', `nothing of ${account}`),
    },
    ...part,
  }
}

async function start(office: LedgerOffice | undefined): Promise<void> {
  const coordinator: Partial<Coordinator> = { ledger: () => undefined, ledgerOffice: () => office }
  // Nothing else of a coordinator is asked here.
  admin = await startAdmin({ coordinator: coordinator as Coordinator }, { mode: 'coordinator' })
}

describe('an audit over the admin API', () => {
  it('tells how far it is, and what it found', async () => {
    await start(officeWith({}))
    const events: unknown[] = []
    for await (const event of admin.client.stream(ADMIN_ROUTES.ledgerVerify)) events.push(event)
    expect(events).toEqual([
      PROGRESS,
      {
        type: 'report',
        report: expect.objectContaining({ entries: 3, root: '01'.repeat(32), kinds: REPORT.kinds }),
      },
    ])
  })

  it('ends in the node when the caller goes away', async () => {
    await start(officeWith({ audit: (_, signal) => endless(PROGRESS, signal) }))
    const caller = new AbortController()
    const stream = admin.client.stream(ADMIN_ROUTES.ledgerVerify, { signal: caller.signal })
    const events = stream[Symbol.asyncIterator]()
    expect((await events.next()).value).toEqual(PROGRESS)
    caller.abort()
    await expect(events.next()).rejects.toMatchObject({ code: 'cancelled' })
    await until('the audit to end', () => signals[0]?.aborted === true)
  })

  it('ends with a reason when the node stops, or fails', async () => {
    await start(officeWith({ audit: (_, signal) => endless(PROGRESS, signal) }))
    const events = admin.client.stream(ADMIN_ROUTES.ledgerVerify)[Symbol.asyncIterator]()
    await events.next()
    await admin.stop()
    await expect(events.next()).rejects.toMatchObject({ code: 'shutting-down' })
    const broken = async function* (): AsyncIterable<AuditEvent> {
      yield PROGRESS
      throw new EdgeCoderError('store-corrupt', 'entry 7 is missing')
    }
    await start(officeWith({ audit: () => broken() }))
    const failing = admin.client.stream(ADMIN_ROUTES.ledgerVerify)[Symbol.asyncIterator]()
    await failing.next()
    await expect(failing.next()).rejects.toMatchObject({ code: 'store-corrupt' })
  })
})

describe('a backup over the admin API', () => {
  const backup = (signal: AbortSignal) =>
    writeBackupFile(join(folder, 'a.backup'), admin.client.bytes(ADMIN_ROUTES.backup, { signal }), {
      replace: false,
      signal,
      onProgress: () => {},
    })

  it('that is interrupted leaves no file, and ends in the node', async () => {
    await start(officeWith({ backup: (signal) => endless(Buffer.from('edgecoder-backup/1\n'), signal) }))
    const caller = new AbortController()
    const made = backup(caller.signal)
    made.catch(() => {})
    await until('some of it to be written', () => readdirSync(folder).length === 1)
    caller.abort()
    await expect(made).rejects.toMatchObject({ code: 'cancelled' })
    expect(readdirSync(folder)).toEqual([])
    await until('it to end', () => signals[0]?.aborted === true)
  })

  it('that breaks off, or is none, leaves no file and is refused', async () => {
    const broken = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.from('edgecoder-backup/1\n')
      throw new EdgeCoderError('store-corrupt', 'entry 7 is missing')
    }
    await start(officeWith({ backup: () => broken() }))
    const signal = new AbortController().signal
    expect(await backup(signal)).toMatchObject({
      code: 'malformed',
      detail: expect.stringContaining('cut off'),
    })
    await admin.stop()
    await start(officeWith({ backup: () => told(Buffer.from('something else')) }))
    expect(await backup(signal)).toMatchObject({ code: 'wrong-type' })
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('what an admin asks of a ledger', () => {
  it('is done or refused, and faults are told', async () => {
    await start(officeWith({}))
    const { client } = admin
    expect((await client.call(ADMIN_ROUTES.ledgerEvidence)).logs).toEqual([
      { origin: ORIGIN, bytes: 5, evidence: Buffer.from('proof').toString('base64') },
    ])
    await expect(client.call(ADMIN_ROUTES.ledgerConfirm, { body: {} })).rejects.toMatchObject({
      code: 'log-unconfirmed',
    })
    expect(await client.call(ADMIN_ROUTES.ledgerConfirm, { body: { override: true } })).toEqual({
      done: true,
    })
    expect(await client.call(ADMIN_ROUTES.ledgerRelease, { body: { task: 'ann:1' } })).toEqual({ done: true })
    expect(await client.call(ADMIN_ROUTES.ledgerReadmit, { body: { log: ORIGIN } })).toEqual({ done: true })
    expect(await client.call(ADMIN_ROUTES.ledgerSlices)).toEqual({
      slices: [{ account: 'ann', home: 'first', at: 'second', amount: '5', idleMs: 1_000 }],
    })
    const giveBack = (account: string) => client.call(ADMIN_ROUTES.ledgerSliceReturn, { body: { account } })
    expect(await giveBack('ann')).toEqual({ amount: '5' })
    await expect(giveBack('bob')).rejects.toMatchObject({ code: 'not-found' })
    await expect(client.call(ADMIN_ROUTES.ledgerReconcile)).rejects.toMatchObject({ code: 'store-failed' })
    for (const query of [{}, { index: -1 }, { log: 'x', index: 1 }, { task: 'no-account' }]) {
      await expect(client.call(ADMIN_ROUTES.ledgerProof, { query })).rejects.toMatchObject({
        code: 'bad-request',
      })
    }
  })

  it('is answered by a reason in a network without signed policy', async () => {
    await start(undefined)
    const bodies = new Map<string, object>([
      ['ledgerReadmit', { log: ORIGIN }],
      ['ledgerRelease', { task: 'ann:1' }],
      ['ledgerConfirm', {}],
      ['ledgerSliceReturn', { account: 'ann' }],
    ])
    const names = [...Object.keys(LEDGER_ROUTES), 'ledgerStatus']
    for (const [name, route] of Object.entries(ADMIN_ROUTES)) {
      if (!names.includes(name)) continue
      const body = bodies.get(name)
      const answer = await fetch(
        `${admin.url}/admin/v1${route.path}?${name === 'ledgerProof' ? 'index=1' : ''}`,
        {
          method: route.method.toUpperCase(),
          headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        },
      )
      expect([name, answer.status, await answer.json()]).toMatchObject([
        name,
        404,
        { error: { message: expect.stringContaining('no signed policy'), next: expect.any(String) } },
      ])
    }
  })
})
