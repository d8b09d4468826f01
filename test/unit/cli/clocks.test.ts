import { expect, it } from 'vitest'
import { clockFinding } from '../../../cli/doctor/clocks.js'
import { findingText } from '../../../cli/doctor/finding.js'
import { nodeStatusText } from '../../../cli/print/node-text.js'
import type { NodeStatusJson } from '../../../src/bridge/schemas/node.js'

function gatewayAt(...clocks: readonly (number | undefined)[]): NonNullable<NodeStatusJson['gateway']> {
  const coordinators = clocks.map((clockAheadMs, at) => ({ peerId: `c${at}`, sinceMs: 0, clockAheadMs }))
  return { coordinators, unfinishedTasks: 0, dataLinks: 0, storedBytes: 0 }
}

const said = (...clocks: readonly (number | undefined)[]): string =>
  findingText(clockFinding({ gateway: gatewayAt(...clocks) }, undefined))

it.each([
  [[0], /^ok +clock: within 1\.0 s of 1 coordinator$/],
  [[4_999, undefined, -100], /^ok +clock: within 5\.0 s of 2 coordinators$/],
  [[5_000], /^warn +clock: 5\.0 s behind that of coordinator c0; .*\n +next: date -u/],
  [[100, -299_000], /^warn +clock: .* ahead of that of coordinator c1; /],
  [[300_000], /^FAULT +clock: .* behind that of coordinator c0; .*\n +next: date -u/],
  [[-300_000], /^FAULT +clock: .* ahead of /],
  [[undefined], /^\? +clock: no other coordinator has told its time/],
])('of clocks %j doctor says %s', (clocks, text) => {
  expect(said(...clocks)).toMatch(text)
})

it('what a cosignature told counts beside a welcome', () => {
  const peer = { peerId: 'x', connected: true, behindEntries: 0, cosignedSize: 0, clockAheadMs: -400_000 }
  const finding = clockFinding({ gateway: gatewayAt(0) }, { peers: [peer] })
  expect(finding).toMatchObject({ ok: false, detail: expect.stringContaining('that of coordinator x') })
})

it('node status names a clock that is off, and no other', () => {
  const text = (aheadMs: number) =>
    nodeStatusText({
      version: '1',
      network: 'n',
      peerId: 'p',
      agentId: 'a',
      mode: 'gateway',
      roles: ['gateway'],
      addresses: [],
      startedMs: 0,
      uptimeMs: 0,
      ready: true,
      notReady: [],
      gateway: gatewayAt(aheadMs),
    })
  expect(text(60_000)).toMatch(/^Clock: +60\.0 s behind that of coordinator c0 → edgecoder doctor$/m)
  expect(text(1_000)).not.toContain('Clock')
})
