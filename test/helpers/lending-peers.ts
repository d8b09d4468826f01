import type { MessageInitShape } from '@bufbuild/protobuf'
import type { PolicyView } from '../../src/core/policy/policy-view.js'
import type { Refusal } from '../../src/core/refusal.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Metrics } from '../../src/ports/metrics.js'
import type { ModelFiles } from '../../src/ports/model-files.js'
import type { ModelSource } from '../../src/ports/model-source.js'
import type { Network } from '../../src/ports/network.js'
import { FRAMES_PER_SECOND } from '../../src/roles/worker/models/constants.js'
import { ModelLender } from '../../src/roles/worker/models/model-lender.js'
import { ModelPulls } from '../../src/roles/worker/models/model-pulls.js'
import { createSeededRandom } from '../../src/services/clock/seeded-random.js'
import { frames, isMalformed } from '../../src/wire/frame.js'
import type { ModelAnswerSchema, ModelAsk } from '../../src/wire/generated/edgecoder/model/v1/model_pb.js'
import { CHUNK_BYTES, DATA_FRAME_BYTES } from '../../src/wire/limits.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import { memoryAudit } from './memory-audit.js'
import { memoryLog } from './memory-log.js'

const IDS = protocolIds('contract')
const noMetrics: Metrics = {
  counter: () => ({ add() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}

interface Peer {
  readonly network: Network
  readonly clock: Clock
  readonly policy: () => PolicyView
  readonly came?: () => Promise<void>
}

/** A policy that lists files by these digests, each as the model `coder`. */
export function listing(digests: readonly string[], workers: readonly string[]): PolicyView {
  const models = digests.map((digest) => ({
    name: 'coder',
    digest: Buffer.from(digest, 'hex'),
    source: 'https://models.example/coder.gguf',
  }))
  return {
    network: 'contract',
    admission: 'listed',
    coordinators: new Set(),
    gateways: new Set(),
    workers: new Set(workers),
    models: { models, unlisted: 'refused', untold: 'refused', sequence: 1 },
  }
}

/** A worker that lends what it has. */
export function lend(
  peer: Peer,
  files: ModelFiles,
  { kibPerS = () => 1_048_576, bar = () => undefined }: Partial<LendTerms> = {},
) {
  const log = memoryLog()
  const parts = { ...peer, files, log, metrics: noMetrics, uploadKibPerS: kibPerS, bar }
  const lender = new ModelLender(parts, IDS)
  lender.start()
  return { lender, log }
}

interface LendTerms {
  readonly kibPerS: () => number
  readonly bar: () => Refusal | undefined
}

/** A worker that can fetch; its source is nowhere unless the test has one. */
export function fetching(peer: Peer, files: ModelFiles, source: ModelSource = NOWHERE) {
  const log = memoryLog()
  const audit = memoryAudit()
  const parts = { came: async () => {}, ...peer, files, source, log, audit, metrics: noMetrics }
  const pulls = new ModelPulls({ ...parts, random: createSeededRandom(3) }, IDS)
  return { pulls, log, audit, last: () => pulls.list().at(-1) }
}

export const NOWHERE: ModelSource = {
  pull: async () => {
    throw new Error('no engine was meant')
  },
  open: async () => {
    throw new Error('no source was meant')
  },
}

type Answer = NonNullable<MessageInitShape<typeof ModelAnswerSchema>['body']>

/** The other end of a fetch, as the test plays it. */
export interface Fetcher {
  say(body: Answer): void
  bytes(bytes: Uint8Array): void
  cut(): void
  close(): Promise<void>
}

/** A peer that says that it lends a file, and does as the test says when it is asked for something. */
export function pretend(
  network: Network,
  digest: string,
  answer: (ask: ModelAsk['body'], fetcher: Fetcher) => void,
): void {
  const options = {
    maxFrameBytes: DATA_FRAME_BYTES,
    streamsPerPeer: 4,
    framesPerSecond: FRAMES_PER_SECOND,
  }
  network.serve(IDS.models, options, (link) => {
    const fetcher: Fetcher = {
      say: (body) => void link.send(frames.modelAnswer.encode({ body })),
      bytes: (bytes) => void link.send(bytes),
      cut: () => link.abort('cut'),
      close: () => link.close(),
    }
    link.receive({
      frame: (bytes) => {
        const ask = frames.modelAsk.decode(bytes)
        if (isMalformed(ask)) throw new Error(ask.detail)
        answer(ask.body, fetcher)
      },
      closed() {},
    })
  })
  network.provide(IDS.modelRendezvous(digest))
}

/** Gives a file as an honest peer would, part by part. @returns how many bytes went out */
export function give(file: Uint8Array, ask: ModelAsk['body'], fetcher: Fetcher): number {
  if (ask.case === 'want') fetcher.say({ case: 'have', value: { bytes: BigInt(file.length) } })
  if (ask.case !== 'span') return 0
  const end = Number(ask.value.offset) + ask.value.bytes
  for (let offset = Number(ask.value.offset); offset < end; offset += CHUNK_BYTES) {
    const bytes = file.subarray(offset, Math.min(end, offset + CHUNK_BYTES))
    fetcher.say({ case: 'piece', value: { offset: BigInt(offset), bytes } })
  }
  return ask.value.bytes
}

/** What anybody may ask a lender by hand. */
export async function askLender(network: Network, peerId: string, addresses: readonly string[]) {
  const link = await network.dial({ peerId, addresses }, IDS.models, {
    signal: new AbortController().signal,
    maxFrameBytes: DATA_FRAME_BYTES,
  })
  const heard: string[] = []
  let over: string | undefined
  link.receive({
    frame: (bytes) => {
      const answer = frames.modelAnswer.decode(bytes)
      if (isMalformed(answer)) throw new Error(answer.detail)
      const { body } = answer
      heard.push(body.case === 'refused' ? body.value.code : String(body.case))
    },
    closed: (reason) => {
      over = reason
    },
  })
  return {
    heard,
    isOver: () => over !== undefined,
    want: (digest: string) =>
      link.send(
        frames.modelAsk.encode({ body: { case: 'want', value: { digest: Buffer.from(digest, 'hex') } } }),
      ),
    span: (offset: number, bytes: number) =>
      link.send(frames.modelAsk.encode({ body: { case: 'span', value: { offset: BigInt(offset), bytes } } })),
    raw: (bytes: Uint8Array) => link.send(bytes),
    leave: () => link.abort('left'),
  }
}
