import { expect, it } from 'vitest'
import { hexOf } from '../../../../src/core/ledger/hex.js'
import { Accusations } from '../../../../src/roles/replication/accusations.js'
import { createMemoryDisk } from '../../../../src/services/store/memory-store.js'
import { sha256 } from '../../../../src/wire/sha256.js'
import { memoryAudit } from '../../../helpers/memory-audit.js'
import { memoryLog } from '../../../helpers/memory-log.js'

it('a log that is isolated is written down once, with the digest of the evidence', async () => {
  const audit = memoryAudit()
  const store = createMemoryDisk().open()
  const accusations = new Accusations({ store, log: memoryLog(), audit }, 'x')
  const evidence = Buffer.from('two checkpoints')
  const verdict = { verdict: 'guilty', origin: 'log/1', what: 'fork', detail: 'two of size 7' } as const
  expect(await accusations.freeze(verdict, evidence)).toBe(true)
  expect(await accusations.freeze(verdict, evidence)).toBe(false)
  expect(audit.acts).toEqual([
    {
      kind: 'log-isolated',
      by: 'node',
      of: 'log/1',
      outcome: 'done',
      facts: { what: 'fork', detail: 'two of size 7', evidence: hexOf(sha256(evidence)) },
    },
  ])
})
