import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EnrollmentWorld } from '../../../helpers/enrollment-world.js'
import { PEERS } from '../../../helpers/sample-policy.js'

const AGENTS = ['attic', 'cellar'] as const
const WRITE_MS = 2

const action = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('issue' as const), agent: fc.constantFrom(...AGENTS) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('show' as const),
      token: fc.nat(4),
      peer: fc.nat(PEERS.length - 1),
      agent: fc.constantFrom(...AGENTS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deny' as const), peer: fc.nat(PEERS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('revoke' as const), token: fc.nat(6) }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(0, 1, 2, 5) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const) }) },
)

test('one token binds one peer, under any interleaving and crash; what was said to wait waits on', async () => {
  let bound = 0
  let crashes = 0
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 40 }), async (actions) => {
      const world = await EnrollmentWorld.of((clock, done) => void clock.after(WRITE_MS, done))
      const tokens: { readonly secret: Uint8Array; readonly agent: string; readonly id: string }[] = []
      /** Token to the peer that was told that it waits; peer to the token that it waits by. */
      const told = new Map<string, string>()
      const denied = new Set<string>()
      const begin = AGENTS.map((agent) => ({ type: 'issue', agent }) as const)
      for (const each of [...begin, { type: 'pass', ms: 3 * WRITE_MS } as const, ...actions]) {
        if (each.type === 'issue') {
          const making = world.token(each.agent)
          making.then(
            ({ secret, id }) => tokens.push({ secret, agent: each.agent, id }),
            () => {},
          )
        } else if (each.type === 'show') {
          const token = tokens[each.token]
          const peer = PEERS[each.peer]?.peer ?? ''
          if (token === undefined) continue
          void world.hello(peer, each.agent, token.secret).then(({ code, detail }) => {
            if (code !== 'approval-pending') return
            expect(detail.startsWith(token.agent) && each.agent === token.agent).toBe(true)
            const before = told.get(token.id)
            expect(before === undefined || before === peer, `${token.id} binds ${before} and ${peer}`).toBe(
              true,
            )
            told.set(token.id, peer)
          })
        } else if (each.type === 'deny') {
          const peer = PEERS[each.peer]?.peer ?? ''
          denied.add(peer)
          void world.desk.deny(peer, 'no')
        } else if (each.type === 'revoke') {
          const token = tokens[each.token]
          if (token !== undefined) void world.desk.revoke(token.id)
        } else if (each.type === 'pass') {
          await world.clock.advance(each.ms)
        } else {
          crashes++
          world.disk.crash()
          const opening = world.open()
          await world.clock.advance(0)
          await opening
        }
      }
      await world.clock.advance(100 * WRITE_MS)
      const spent = new Map(world.desk.tokens().map(({ id, peer }) => [id, peer]))
      const waiting = new Set(world.desk.requests().map(({ peer }) => peer))
      for (const [id, peer] of told) {
        bound++
        expect(spent.get(id)).toBe(peer)
        expect(waiting.has(peer) || denied.has(peer), `${peer} was told that it waits`).toBe(true)
      }
      // A token that was spent for nothing would be lost to its owner.
      for (const { state, peer = '' } of world.desk.tokens()) {
        if (state === 'spent')
          expect(waiting.has(peer) || denied.has(peer), `${peer} spent it in vain`).toBe(true)
      }
      world.clock.dispose()
    }),
    { numRuns: 200 },
  )
  expect([bound > 50, crashes > 50]).toEqual([true, true])
}, 60_000)
