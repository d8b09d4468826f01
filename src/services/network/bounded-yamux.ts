import type { Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { MAX_QUEUED_BYTES, STREAMS_BURST, STREAMS_PER_CONNECTION, STREAMS_PER_SECOND } from './bounds.js'
import { createQuota } from './quota.js'

interface BoundedYamuxInit {
  nowMs(): number
  /** A connection opened streams faster than allowed. @param streams those of it, as the connection has them */
  flooded(streams: readonly Stream[]): void
}

/**
 * Yamux, with a bound on how fast the other end opens streams. libp2p bounds only how many it has open of one
 * protocol, and resets those above: each costs us a negotiation, and nobody hears of it.
 */
export function boundedYamux(init: BoundedYamuxInit): () => StreamMuxerFactory {
  return () => {
    const factory: StreamMuxerFactory = yamux({
      maxInboundStreams: STREAMS_PER_CONNECTION,
      streamOptions: { maxWriteBufferLength: 2 * MAX_QUEUED_BYTES },
    })()
    const createStreamMuxer = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = (connection) => bound(createStreamMuxer(connection), init)
    return factory
  }
}

/** The muxers of libp2p have this method, and say so only in the type of their own. */
interface RemoteStreams {
  onRemoteStream(stream: Stream): void
}

function bound(muxer: StreamMuxer, { nowMs, flooded }: BoundedYamuxInit): StreamMuxer {
  const remote = muxer as StreamMuxer & RemoteStreams
  const onRemoteStream = remote.onRemoteStream.bind(remote)
  const openings = createQuota(STREAMS_PER_SECOND, STREAMS_BURST, nowMs)
  remote.onRemoteStream = (stream) => {
    if (openings.take()) onRemoteStream(stream)
    else if (muxer.status === 'open') {
      flooded(muxer.streams)
      muxer.abort(new Error('streams are opened faster than allowed'))
    }
  }
  return muxer
}
