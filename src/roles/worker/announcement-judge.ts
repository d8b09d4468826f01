import { admits, type PolicyView } from '../../core/policy/policy-view.js'
import type { Clock } from '../../ports/clock.js'
import type { GossipMessage, GossipVerdict } from '../../ports/network.js'
import { envelopeCodec, open, statements } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { Announcement } from '../../wire/generated/edgecoder/gossip/v1/announcement_pb.js'

export interface AnnouncementJudgeInit {
  readonly clock: Clock
  readonly networkId: string
  readonly policy: () => PolicyView
  /** Called with each announcement that is taken. */
  readonly heard: (coordinator: string, announcement: Announcement) => void
}

/**
 * Coordinators whose last sequence is remembered; they are admitted ones, so only an open network has more.
 */
const REMEMBERED = 1024

/** Judges gossip: only fresh words of coordinators, each newer than their last, are heard and passed on. */
export function createAnnouncementJudge(
  init: AnnouncementJudgeInit,
): (message: GossipMessage) => Promise<GossipVerdict> {
  const { clock, networkId, policy, heard } = init
  const lastSequences = new Map<string, bigint>()
  return async (message) => {
    const envelope = envelopeCodec.decode(message.bytes)
    if (isMalformed(envelope)) return 'reject'
    const opened = await open(envelope, networkId, statements.announcement, clock.nowMs())
    // Stale is no proof of ill will: clocks differ, and gossip may be late.
    if (isMalformed(opened)) return opened.code === 'stale-envelope' ? 'ignore' : 'reject'
    const { value, signer } = opened
    if (signer !== message.from) return 'reject'
    if (admits(policy(), { peerId: signer, role: 'coordinator' }) !== undefined) return 'ignore'
    if (value.sequence <= (lastSequences.get(signer) ?? 0n)) return 'ignore'
    lastSequences.delete(signer)
    lastSequences.set(signer, value.sequence)
    const [oldest] = lastSequences.keys()
    if (lastSequences.size > REMEMBERED && oldest !== undefined) lastSequences.delete(oldest)
    heard(signer, value)
    return 'accept'
  }
}
