import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS, RateLimits } from '../../../src/bridge/limits.js'
import { LiveStreams } from '../../../src/bridge/live-streams.js'
import { isRefusal } from '../../../src/core/refusal.js'
import { systemRandom } from '../../../src/services/clock/system-random.js'

const NEVER = new AbortController().signal

describe('RateLimits', () => {
  const rates = () => new RateLimits({ ...DEFAULT_LIMITS, requestsPerAddress: 2 }, systemRandom())

  async function taken(limits: RateLimits, addresses: readonly string[]): Promise<boolean[]> {
    const answers: boolean[] = []
    for (const address of addresses) answers.push((await limits.address(address)) === undefined)
    return answers
  }

  it('counts the addresses of one IPv6 network together', async () => {
    const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:2:3:4:5:6']
    expect(await taken(rates(), same)).toEqual([true, true, false])
    expect(await taken(rates(), ['::1', '::1', '::1'])).toEqual([true, true, false])
  })

  it('counts IPv4 addresses apart', async () => {
    expect(await taken(rates(), ['10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.1'])).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(await taken(rates(), ['::ffff:10.0.0.1', '::ffff:10.0.0.2', '::ffff:10.0.0.3'])).toEqual([
      true,
      true,
      true,
    ])
  })

  it('says when to come again', async () => {
    const limits = rates()
    await taken(limits, ['a', 'a'])
    const refused = await limits.address('a')
    expect(refused).toMatchObject({ code: 'rate-limited' })
    expect(refused?.retryAfterMs).toBeGreaterThanOrEqual(1_000)
    expect(refused?.retryAfterMs).toBeLessThanOrEqual(10_000)
  })
})

describe('LiveStreams', () => {
  it('counts by owner and in all, and gives each place back once', () => {
    const streams = new LiveStreams({ perKey: 2, total: 3 })
    const open = (owner: string) => streams.open(owner, NEVER)
    const first = open('a')
    expect([isRefusal(first), isRefusal(open('a')), isRefusal(open('a'))]).toEqual([false, false, true])
    expect([isRefusal(open('b')), isRefusal(open('c'))]).toEqual([false, true])
    if (isRefusal(first)) throw new Error('refused')
    first.end()
    first.end()
    expect(streams.size).toBe(2)
    expect([isRefusal(open('a')), isRefusal(open('a'))]).toEqual([false, true])
  })

  it('aborts with its client, also one that is gone already', () => {
    const streams = new LiveStreams({ perKey: 9, total: 9 })
    const client = new AbortController()
    const live = streams.open('a', client.signal)
    if (isRefusal(live)) throw new Error('refused')
    expect(live.signal.aborted).toBe(false)
    client.abort()
    expect([live.signal.aborted, live.stopping]).toEqual([true, false])
    const late = streams.open('a', client.signal)
    expect(!isRefusal(late) && late.signal.aborted).toBe(true)
  })

  it('ends all when the node stops, and takes no more', () => {
    const streams = new LiveStreams({ perKey: 9, total: 9 })
    const live = streams.open('a', NEVER)
    streams.stop()
    if (isRefusal(live)) throw new Error('refused')
    expect([live.signal.aborted, live.stopping]).toEqual([true, true])
    expect(streams.open('a', NEVER)).toMatchObject({ code: 'shutting-down' })
  })
})
