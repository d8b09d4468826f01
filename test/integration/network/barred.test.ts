import { afterEach, expect, test } from 'vitest'
import type { Libp2pNetwork } from '../../../src/services/network/libp2p-network.js'
import { eventually, libp2pPeer, TOPIC } from '../../contract/network/adapters.js'

let running: Libp2pNetwork[] = []
afterEach(async () => {
  await Promise.all(running.map((network) => network.stop()))
  running = []
})

async function peer(...args: Parameters<typeof libp2pPeer>): Promise<Libp2pNetwork> {
  const network = await libp2pPeer(...args)
  running.push(network)
  return network
}

function hear(network: Libp2pNetwork): string[] {
  const heard: string[] = []
  network.subscribe(TOPIC, ({ from }) => {
    heard.push(from)
    return 'accept'
  })
  return heard
}

test('what a barred peer says is not heard, also through one that has not heard of it', async () => {
  const barred = new Set<string>()
  const between = await peer()
  const bootstrap = between.addresses()
  const careful = await peer({ bootstrap, bars: (peerId) => barred.has(peerId) })
  const bad = await peer({ bootstrap })
  const [atCareful, atBetween] = [hear(careful), hear(between)]
  hear(bad)
  const saying = async (from: Libp2pNetwork, heard: readonly string[], what: string): Promise<void> => {
    await eventually(async () => {
      await from.publish(TOPIC, Buffer.from(String(Math.random())))
      return heard.includes(from.peerId)
    }, what)
  }
  await saying(bad, atCareful, 'it is heard while it is not barred')
  barred.add(bad.peerId)
  atCareful.length = 0
  atBetween.length = 0
  await saying(bad, atBetween, 'the others hear it')
  // What came before this one has been judged by then.
  await saying(between, atCareful, 'others are heard')
  expect(new Set(atCareful)).toEqual(new Set([between.peerId]))
  // Who passed it on is no worse off for it.
  expect(careful.peers().map(({ peerId }) => peerId)).toContain(between.peerId)
})
