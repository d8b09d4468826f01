import assert from 'node:assert/strict'
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { GossipMessage, GossipVerdict, Offence } from '../../ports/network.js'
import { GOSSIP_BYTES } from '../../wire/limits.js'
import { GOSSIP_BURST, GOSSIP_PER_SECOND, GOSSIP_SOURCES } from './bounds.js'
import { createQuota, type Quota } from './quota.js'

const VERDICTS: Record<GossipVerdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/** Publish and subscribe as the network needs it, whoever implements it. @see docs/decisions/pubsub.md */
export interface Gossip {
  publish(topic: string, bytes: Uint8Array): Promise<void>
  subscribe(
    topic: string,
    judge: (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>,
  ): () => void
}

export interface GossipComponents {
  readonly pubsub: GossipSub
  readonly clock: Clock
  readonly log: Log
  /** Is this peer on the blacklist? Left out = nobody is. */
  bars?(peerId: string): boolean
  /** Told of a neighbour who passes on what no honest peer would. */
  penalise(peerId: string, offence: Offence): void
}

type Judge = Parameters<Gossip['subscribe']>[1]

/** @param topics all there are; gossipsub would drop any other without a word */
export function createGossip(components: GossipComponents, topics: readonly string[]): Gossip {
  const { pubsub, log, penalise, bars = () => false } = components
  const sources = createSources(components.clock)

  const judged = async (from: string, message: Message, judge: Judge): Promise<TopicValidatorResult> => {
    // Whoever passes on what a barred peer said may not have heard of it yet, and is not penalised.
    if (bars(from) || (message.type === 'signed' && bars(message.from.toString()))) {
      return TopicValidatorResult.Ignore
    }
    if (!sources(from).take()) {
      penalise(from, 'flood')
      return TopicValidatorResult.Ignore
    }
    const verdict = await verdictOf(message, judge, log)
    // Whoever passes it on has judged it first, so its origin is not asked for.
    if (verdict === TopicValidatorResult.Reject) penalise(from, 'malformed-frame')
    return verdict
  }

  return {
    async publish(topic, bytes) {
      assert(topics.includes(topic), `topic ${topic} is not among those of this network`)
      if (bytes.length > GOSSIP_BYTES) {
        throw new EdgeCoderError(
          'frame-too-large',
          `Gossip of ${bytes.length} bytes, at most ${GOSSIP_BYTES}.`,
        )
      }
      try {
        await pubsub.publish(topic, bytes)
      } catch (cause) {
        // What was lost is announced again by its owner; the caller could do no more than wait for that.
        log.warn('gossip-not-sent', { topic, reason: cause instanceof Error ? cause.message : String(cause) })
      }
    },
    subscribe(topic, judge) {
      assert(topics.includes(topic), `topic ${topic} is not among those of this network`)
      pubsub.topicValidators.set(topic, (from, message) => judged(from.toString(), message, judge))
      pubsub.subscribe(topic)
      return () => {
        pubsub.topicValidators.delete(topic)
        pubsub.unsubscribe(topic)
      }
    },
  }
}

/** How much each neighbour may still pass on; the one longest unheard is forgotten first. */
function createSources(clock: Clock): (peerId: string) => Quota {
  const quotas = new Map<string, Quota>()
  return (peerId) => {
    const quota =
      quotas.get(peerId) ?? createQuota(GOSSIP_PER_SECOND, GOSSIP_BURST, () => clock.monotonicMs())
    quotas.delete(peerId)
    quotas.set(peerId, quota)
    const [oldest] = quotas.keys()
    if (quotas.size > GOSSIP_SOURCES && oldest !== undefined) quotas.delete(oldest)
    return quota
  }
}

async function verdictOf(message: Message, judge: Judge, log: Log): Promise<TopicValidatorResult> {
  if (message.type !== 'signed' || message.data.length > GOSSIP_BYTES) return TopicValidatorResult.Reject
  const { topic, data } = message
  try {
    return VERDICTS[await judge({ topic, from: message.from.toString(), bytes: data })]
  } catch (cause) {
    // gossipsub would swallow it.
    log.error('gossip-judge-failed', {
      topic,
      error: cause instanceof Error ? cause : new Error(String(cause)),
    })
    return TopicValidatorResult.Ignore
  }
}
