import assert from 'node:assert/strict'
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub'
import { EdgeCoderError } from '../../core/errors.js'
import type { Log } from '../../ports/log.js'
import type { GossipMessage, GossipVerdict } from '../../ports/network.js'
import { GOSSIP_BYTES } from '../../wire/limits.js'

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

/** @param topics all there are; gossipsub would drop any other without a word */
export function createGossip(
  components: { readonly pubsub: GossipSub; readonly log: Log },
  topics: readonly string[],
): Gossip {
  const { pubsub, log } = components
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
      pubsub.topicValidators.set(topic, (_peer, message) => verdictOf(message, judge, log))
      pubsub.subscribe(topic)
      return () => {
        pubsub.topicValidators.delete(topic)
        pubsub.unsubscribe(topic)
      }
    },
  }
}

async function verdictOf(
  message: Message,
  judge: (message: GossipMessage) => GossipVerdict | Promise<GossipVerdict>,
  log: Log,
): Promise<TopicValidatorResult> {
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
