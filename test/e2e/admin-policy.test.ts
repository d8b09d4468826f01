import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliRun, runCli } from '../helpers/cli.js'
import { COORDINATOR, GATEWAY, SECOND, WORKER } from '../helpers/sample-policy.js'

interface Examined {
  readonly state: string
  readonly network: string
  readonly missing: number
  readonly otherSignatures: number
  readonly message: { readonly kind: string; readonly sequence: number }
  readonly why?: { readonly code: string }
}

const NAMES = ['ann', 'bob', 'cay'] as const
let cwd = ''

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'edgecoder-admin-'))
  writeFileSync(join(cwd, 'pass'), 'correct horse battery\n', { mode: 0o600 })
  for (const name of NAMES) await must('key', 'create', `${name}.key`)
})
afterAll(() => rmSync(cwd, { recursive: true }))

function admin(...args: readonly string[]): Promise<CliRun> {
  return runCli(['--json', 'admin', ...args], { cwd, env: { EDGE_ADMIN_PASSPHRASE_FILE: 'pass' } })
}

async function must(...args: readonly string[]): Promise<CliRun> {
  const run = await admin(...args)
  expect([args.join(' '), run.code, run.stdout]).toEqual([args.join(' '), 0, run.stdout])
  return run
}

async function refusedWith(
  ...args: readonly string[]
): Promise<readonly [code: string, exit: number | null]> {
  const run = await admin(...args)
  return [run.json<{ error: { code: string } }>().error.code, run.code]
}

/** Drafts, signs by each and adds. */
async function adopt(signers: readonly string[], ...draft: readonly string[]): Promise<void> {
  await must(...draft, '--out', 'next.json', '--yes')
  for (const name of signers) await must('policy', 'sign', 'next.json', '--key', `${name}.key`)
  await must('policy', 'add', 'next.json')
}

it('a network is begun by two of three, and its chain grows, checked at every step', async () => {
  const keys = NAMES.flatMap((name) => ['--key', `${name}.key`])
  const members = ['--coordinator', COORDINATOR.peer, '--gateway', GATEWAY.peer]
  const ofAnn = ['coordinators', 'gateways', 'enrol', 'node-state', 'reverse', 'handover', 'terms'].flatMap(
    (power) => ['--power', `${power}=1:ann.key`],
  )
  const powers = ['--power', 'grant=1:cay.key', ...ofAnn]
  const draft = ['genesis', '--name', 'lab', ...keys, ...powers, ...members]
  const drafted = (await must(...draft, '--out', 'genesis.json')).json<Examined>()
  expect(drafted).toMatchObject({ state: 'waiting', missing: 2 })
  expect(await refusedWith(...draft, '--out', 'genesis.json')).toEqual(['bad-request', 2])
  await must('policy', 'sign', 'genesis.json', '--key', 'ann.key')
  expect(await refusedWith('policy', 'sign', 'genesis.json', '--key', 'ann.key')).toEqual(['bad-request', 2])
  expect(await refusedWith('policy', 'add', 'genesis.json')).toEqual(['policy-unsigned', 4])
  await must('policy', 'sign', 'genesis.json', '--key', 'bob.key')
  await must('policy', 'add', 'genesis.json')
  expect(await refusedWith('policy', 'add', 'genesis.json')).toEqual(['bad-request', 2])

  const both = ['ann', 'bob']
  const draftOf = (...words: readonly string[]) => ['policy', 'draft', ...words]
  await adopt(both, ...draftOf('account', 'ann', '--role', 'contributor', '--home', COORDINATOR.peer))
  await adopt(['ann'], ...draftOf('enrol', WORKER.peer, '--agent', 'attic', '--owner', 'ann'))
  await adopt(['ann'], ...draftOf('node-state', WORKER.peer, 'active', '--reason', 'known'))
  await adopt(['cay'], ...draftOf('grant', 'ann', '--credits', '25', '--reference', 'invoice/1'))
  await adopt(['ann'], ...draftOf('reverse', 'grant', 'invoice/1', '--credits', '0.5', '--reason', 'back'))
  await adopt(['ann'], ...draftOf('coordinators', '--admit', SECOND.peer))
  await adopt(['ann'], ...draftOf('gateways', '--remove', GATEWAY.peer))
  await adopt(['ann'], ...draftOf('handover', COORDINATOR.peer, '--to', SECOND.peer))
  await adopt(['ann'], ...draftOf('terms', '--set', 'feeBasisPoints=200'))
  await must(...draftOf('keys', '--threshold', '3', '--power', 'grant=root', '--out', 'next.json', '--yes'))
  for (const name of both) await must('policy', 'sign', 'next.json', '--key', `${name}.key`)
  expect((await admin('policy', 'show', 'next.json')).json<Examined>()).toMatchObject({
    state: 'waiting',
    missing: 1,
  })
  await must('policy', 'sign', 'next.json', '--key', 'cay.key')
  await must('policy', 'add', 'next.json')

  const verified = (await must('policy', 'verify', 'policy')).json<{
    network: string
    standing: string
    messages: readonly Examined[]
  }>()
  expect(verified).toMatchObject({ network: drafted.network, standing: 'good' })
  expect(verified.messages.map(({ message }) => message.kind)).toEqual([
    'genesis',
    'account',
    'enrol',
    'node-state',
    'grant',
    'reverse',
    'coordinators',
    'gateways',
    'handover',
    'terms',
    'keys',
  ])
  expect(verified.messages.every(({ state, missing }) => state === 'chained' && missing === 0)).toBe(true)
  expect(readdirSync(join(cwd, 'policy')).toSorted()[10]).toBe('000010.json')
}, 120_000)

it('what could not be taken is refused before anybody signs', async () => {
  const out = ['--out', 'refused.json']
  for (const [words, code] of [
    [['grant', 'zed', '--credits', '1', '--reference', 'x'], 'account-unknown'],
    [['grant', 'ann', '--credits', '1', '--reference', 'invoice/1'], 'policy-conflict'],
    [['enrol', WORKER.peer, '--agent', 'x', '--owner', 'ann'], 'policy-conflict'],
    [['coordinators'], 'policy-conflict'],
    [['coordinators', '--admit', 'nobody'], 'bad-request'],
    [['gateways', '--admit', 'nobody'], 'out-of-bounds'],
    [['terms', '--set', 'feeBasisPoints=10001'], 'out-of-bounds'],
    [['handover', WORKER.peer, '--to', SECOND.peer], 'not-found'],
    [['keys', '--power', 'grant=3:ann.key'], 'out-of-bounds'],
    [['keys', '--power', 'all=1:ann.key'], 'bad-request'],
    [['grant', 'ann', '--credits', '1', '--reference', 'y', '--chain', 'none'], 'not-found'],
  ] as const) {
    expect([words[0], (await refusedWith('policy', 'draft', ...words, ...out))[0]]).toEqual([words[0], code])
  }
  const bounds = await admin('policy', 'draft', 'terms', '--set', 'feeBasisPoints=10001', ...out)
  expect([bounds.code, bounds.json()]).toMatchObject([
    2,
    { error: { next: expect.stringMatching(/--help/) } },
  ])
  expect(readdirSync(cwd)).not.toContain('refused.json')
})

it('a passphrase is asked for nowhere but at a terminal or in a file, and a wrong one opens nothing', async () => {
  const silent = await runCli(['--json', 'admin', 'policy', 'sign', 'next.json', '--key', 'ann.key'], { cwd })
  expect([silent.code, silent.json<{ error: { code: string } }>().error.code]).toEqual([2, 'bad-request'])
  writeFileSync(join(cwd, 'wrong'), 'wrong horse battery\n', { mode: 0o600 })
  await must('policy', 'draft', 'terms', '--out', 'renewal.json')
  const before = readFileSync(join(cwd, 'renewal.json'), 'utf8')
  const wrong = ['policy', 'sign', 'renewal.json', '--key', 'ann.key', '--passphrase-file', 'wrong']
  expect(await refusedWith(...wrong)).toEqual(['bad-passphrase', 4])
  await must('policy', 'sign', 'renewal.json', '--key', 'ann.key', '--dry-run')
  expect(readFileSync(join(cwd, 'renewal.json'), 'utf8')).toBe(before)
})

it('a chain that was tampered with, lacks a message, or forked is named', async () => {
  const copy = (name: string) => {
    cpSync(join(cwd, 'policy'), join(cwd, name), { recursive: true })
    return (file: string) => join(cwd, name, file)
  }
  const hurt = copy('hurt')
  const grant = JSON.parse(readFileSync(hurt('000004.json'), 'utf8'))
  const payload = Buffer.from(grant.payload, 'base64')
  payload.writeUInt8(payload.readUInt8(payload.length - 20) ^ 1, payload.length - 20)
  writeFileSync(hurt('000004.json'), JSON.stringify({ ...grant, payload: payload.toString('base64') }))
  expect((await refusedWith('policy', 'verify', 'hurt'))[1]).not.toBe(0)
  rmSync(hurt('000004.json'))
  expect(await refusedWith('policy', 'verify', 'hurt')).toEqual(['policy-out-of-order', 4])

  const branch = copy('branch')
  for (const number of ['08', '09', '10']) rmSync(branch(`0000${number}.json`))
  await must('policy', 'draft', 'terms', '--chain', 'branch', '--out', 'other.json')
  await must('policy', 'sign', 'other.json', '--key', 'ann.key', '--chain', 'branch')
  const forked = await admin('policy', 'verify', 'other.json')
  expect([forked.code, forked.json<Examined>().why?.code]).toEqual([4, 'policy-forked'])
  expect(await refusedWith('policy', 'add', 'other.json')).toEqual(['policy-forked', 4])
})

it('an expired chain is said to be expired, and can go on', async () => {
  const second = ['--expires-days', '0.00001', '--chain', 'short']
  const members = ['--coordinator', COORDINATOR.peer]
  await must('genesis', '--name', 'short', '--key', 'ann.key', ...members, '--out', 'short.json')
  await must('policy', 'sign', 'short.json', '--key', 'ann.key', '--chain', 'short')
  await must('policy', 'add', 'short.json', '--chain', 'short')
  await must('policy', 'draft', 'terms', ...second, '--out', 'brief.json')
  // Signing takes longer than the message lasts.
  await must('policy', 'sign', 'brief.json', '--key', 'ann.key', '--chain', 'short')
  expect(await refusedWith('policy', 'add', 'brief.json', '--chain', 'short')).toEqual(['policy-expired', 4])
  cpSync(join(cwd, 'brief.json'), join(cwd, 'short', '000001.json'))
  const stale = await admin('policy', 'verify', 'short')
  expect([stale.code, stale.json<{ standing: string }>().standing]).toEqual([4, 'policy-expired'])
  await must('policy', 'draft', 'terms', '--chain', 'short', '--out', 'fresh.json')
  await must('policy', 'sign', 'fresh.json', '--key', 'ann.key', '--chain', 'short')
  await must('policy', 'add', 'fresh.json', '--chain', 'short')
  expect((await must('policy', 'verify', 'short')).json<{ standing: string }>().standing).toBe('good')
})
