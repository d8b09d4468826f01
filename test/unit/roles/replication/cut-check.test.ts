import { beforeAll, describe, expect, it } from 'vitest'
import { cutFault } from '../../../../src/roles/replication/cut-check.js'
import { begun, cutOf, libraryOf } from '../../../helpers/continued-log.js'
import { commitAll, ORIGIN } from '../../../helpers/ledger-log.js'

/** The log of a second epoch that goes on from 400 entries of the first, of which 807 are here. */
let line: Awaited<ReturnType<typeof begun>>
beforeAll(async () => {
  line = await begun(400)
  await commitAll(line.next, line.store)
})

const check = (origin: string, stand: Parameters<typeof cutFault>[1][number]['stand'], all = true) =>
  cutFault(line.next, [{ origin, stand }], libraryOf(...(all ? [line.log, line.next] : [line.next])))

describe('a log of a later epoch', () => {
  it('may be cosigned by who cosigned nothing of the one before, or no more than counts', async () => {
    expect(await check(ORIGIN, undefined)).toBeUndefined()
    expect(await check(ORIGIN, { size: 0, root: new Uint8Array(32) })).toBeUndefined()
    for (const size of [1, 399, 400]) expect(await check(ORIGIN, await cutOf(line.log, size))).toBeUndefined()
  })

  it('not by who cosigned more of it, or another history', async () => {
    const more = await check(ORIGIN, await cutOf(line.log, 401))
    expect(more).toMatchObject({ code: 'entry-conflict', retryAfterMs: 5_000 })
    const root = new Uint8Array(32).fill(7)
    expect(await check(ORIGIN, { size: 399, root })).toMatchObject({ code: 'entry-conflict' })
  })

  it('not by who cosigned something of an epoch that it goes past', async () => {
    const { root } = line.cut
    const past = await check(ORIGIN.replace(/1$/, '9'), { size: 1, root })
    expect(past).toMatchObject({ code: 'entry-conflict' })
  })

  it('not before the one before it is here', async () => {
    expect(await check(ORIGIN, undefined, false)).toMatchObject({ code: 'not-final' })
  })
})
