import type { LinkReceiver } from '../../ports/network.js'

/** What came over a link, kept in order until there is a receiver for it. */
export interface LinkInbox {
  receive(receiver: LinkReceiver): void
  /** @returns false when more waits than the bound allows: nobody receives, so the link must end */
  frame(bytes: Uint8Array): boolean
  /** Ends it; the receiver hears the first reason, once, and no frame after it. */
  end(reason: string): void
  readonly ended: boolean
}

/** @param maxWaitingBytes bound on frames that wait for a receiver */
export function createLinkInbox(maxWaitingBytes: number): LinkInbox {
  let receiver: LinkReceiver | undefined
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let reason: string | undefined
  let told = false

  const tell = (): void => {
    if (receiver === undefined || reason === undefined || told) return
    told = true
    receiver.closed(reason)
  }

  return {
    get ended() {
      return reason !== undefined
    },
    receive(given) {
      receiver = given
      const frames = waiting
      waiting = []
      waitingBytes = 0
      for (const bytes of frames) receiver.frame(bytes)
      tell()
    },
    frame(bytes) {
      if (reason !== undefined) return true
      if (receiver !== undefined) {
        receiver.frame(bytes)
        return true
      }
      waitingBytes += bytes.length
      if (waitingBytes > maxWaitingBytes) return false
      waiting.push(bytes)
      return true
    },
    end(why) {
      if (reason !== undefined) return
      reason = why
      // Not within the caller's own abort() or close(): it may be in the middle of a change of state.
      queueMicrotask(tell)
    },
  }
}
