import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { cleanDigest, type ReconcileReport, reportBytes } from '../../../cli/reconcile-report.js'
import { PolicyChain } from '../../../src/node/admin-policy.js'
import { ISSUED_MS, sampleChain } from '../../helpers/sample-policy.js'

let chain: PolicyChain
let report: ReconcileReport

/** The last message of the sample is an incident, of {@link ISSUED_MS}. */
beforeAll(async () => {
  chain = new PolicyChain()
  for (const { message, bytes } of sampleChain()) {
    await chain.take(bytes)
    if (message.kind === 'incident') break
  }
  report = {
    network: chain.head?.network ?? '',
    coordinator: '12D3KooWhome',
    atMs: ISSUED_MS + 1,
    clean: true,
    compared: { logs: 3, coordinators: 2, pairs: 3, holds: 0, tasks: 0 },
    differences: [],
    differenceCount: 0,
    underWay: [],
  }
})

const digest = (of: Partial<ReconcileReport>) => () =>
  cleanDigest(reportBytes({ ...report, ...of }), 'report.json', chain)

describe('a report that paths are reopened on', () => {
  it('is named by the SHA-256 of its bytes, as a file has them', () => {
    const bytes = reportBytes(report)
    expect(digest({})()).toEqual(createHash('sha256').update(bytes).digest())
    expect(Buffer.from(bytes).toString()).toContain('"clean": true')
  })

  it('must be clean, of this network, of after the incident, and a report at all', () => {
    const unclean = { clean: false, differenceCount: 2 }
    expect(digest(unclean)).toThrow(
      expect.objectContaining({ code: 'policy-conflict', message: expect.stringContaining('differences 2') }),
    )
    expect(digest({ network: 'other' })).toThrow(expect.objectContaining({ code: 'wrong-network' }))
    const early = expect.objectContaining({
      code: 'policy-conflict',
      message: expect.stringContaining('before the incident'),
    })
    expect(digest({ atMs: ISSUED_MS - 1 })).toThrow(early)
    for (const text of ['', '{}', 'not JSON', '[]']) {
      const other = () => cleanDigest(Buffer.from(text), 'report.json', chain)
      expect(other).toThrow(expect.objectContaining({ code: 'malformed' }))
    }
  })
})
