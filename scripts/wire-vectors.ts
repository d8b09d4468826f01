/** Prints protocols/vectors/messages.json: bytes every implementation must accept or refuse. Run again only to add cases. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { type DescMessage, type JsonValue, type MessageInitShape, toJson } from '@bufbuild/protobuf'
import { envelopeCodec, seal, statements } from '../src/wire/envelope.js'
import { type Codec, frames, isMalformed } from '../src/wire/frame.js'
import { NodeRole } from '../src/wire/generated/edgecoder/control/v1/enrollment_pb.js'
import type { Fault } from '../src/wire/generated/edgecoder/control/v1/worker_pb.js'
import type { TaskHeaderSchema } from '../src/wire/generated/edgecoder/task/v1/task_pb.js'

interface Vector {
  readonly name: string
  readonly message: string
  readonly hex: string
  readonly accept: boolean
  /** What an accepted one says (protobuf JSON), or the code of the refusal. */
  readonly expect: JsonValue
}

const vectors: Vector[] = []

function add<S extends DescMessage>(name: string, codec: Codec<S>, bytes: Uint8Array): void {
  const decoded = codec.decode(bytes)
  const refused = isMalformed(decoded)
  vectors.push({
    name,
    message: codec.schema.typeName,
    hex: Buffer.from(bytes).toString('hex'),
    accept: !refused,
    expect: refused ? decoded.code : toJson(codec.schema, decoded),
  })
}

const header: MessageInitShape<typeof TaskHeaderSchema> & { id: string } = {
  id: 'ann:job-1',
  kind: 2,
  account: 'ann',
  model: 'tiny-coder',
  contextTokens: 512,
  maxOutputTokens: 128,
  languages: ['javascript'],
  maxAttempts: 3,
  maxRunMs: 600_000,
  payloadDigest: new Uint8Array(32).fill(7),
  payloadBytes: 1234,
  gateway: '12D3KooWGatewayGatewayGatewayGatewayGatewayGatewayGa',
  submittedMs: 1_800_000_000_000n,
}
const lease = { taskId: header.id, fence: 1n }

const hello = frames.workerToCoordinator.encode({
  body: { case: 'hello', value: { agentId: 'shed-1', capabilities: { languages: ['python'] }, slots: 2 } },
})
add('a worker says hello', frames.workerToCoordinator, hello)
add('no bytes at all', frames.workerToCoordinator, new Uint8Array())
add('cut off in the middle', frames.workerToCoordinator, hello.subarray(0, hello.length - 3))
add('a field of an unknown kind of message only', frames.workerToCoordinator, Buffer.from('f20700', 'hex'))
add(
  'an agent id with a space',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'hello', value: { agentId: 'shed 1', capabilities: {} } },
  }),
)
add(
  'no agent id',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'hello', value: { capabilities: {} } },
  }),
)
add(
  '257 slots',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'slots', value: { free: 257 } },
  }),
)
add(
  'a worker outside the hours of its contributor',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({ body: { case: 'slots', value: { free: 0, reason: 'outside-hours' } } }),
)
add(
  'a worker with a model whose engine tells its digest',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: {
      case: 'capabilities',
      value: { models: [{ name: 'coder', digest: new Uint8Array(32).fill(5) }] },
    },
  }),
)
add(
  'a model with a digest of 31 bytes',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'capabilities', value: { models: [{ name: 'coder', digest: new Uint8Array(31) }] } },
  }),
)
add(
  'a worker that takes tasks of its own account first',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'capabilities', value: { ownFirst: true, priceFloorMicrocredits: 500n } },
  }),
)
add(
  'progress without a fence',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'beat', value: { progress: [{ lease: { taskId: 'ann:job-1' } }] } },
  }),
)
add(
  'an unknown fault',
  frames.workerToCoordinator,
  frames.workerToCoordinator.encode({
    body: { case: 'failed', value: { lease, fault: 9 as Fault, why: { code: 'engine-failed' } } },
  }),
)
add(
  'a lease',
  frames.coordinatorToWorker,
  frames.coordinatorToWorker.encode({
    body: { case: 'lease', value: { header, fence: 1n, attempt: 1, leaseMs: 15_000 } },
  }),
)
add(
  'a lease whose header lacks a digest',
  frames.coordinatorToWorker,
  frames.coordinatorToWorker.encode({
    body: {
      case: 'lease',
      value: { header: { ...header, payloadDigest: new Uint8Array() }, fence: 1n, attempt: 1, leaseMs: 1 },
    },
  }),
)
add(
  'a lease with a digest of 31 bytes',
  frames.coordinatorToWorker,
  frames.coordinatorToWorker.encode({
    body: {
      case: 'lease',
      value: { header: { ...header, payloadDigest: new Uint8Array(31) }, fence: 1n, attempt: 1, leaseMs: 1 },
    },
  }),
)
add(
  'eleven attempts',
  frames.coordinatorToWorker,
  frames.coordinatorToWorker.encode({
    body: {
      case: 'lease',
      value: { header: { ...header, maxAttempts: 11 }, fence: 1n, attempt: 1, leaseMs: 1 },
    },
  }),
)
add(
  'output',
  frames.workerToGateway,
  frames.workerToGateway.encode({
    body: { case: 'output', value: { lease, seq: 1, text: 'grüße', tokens: 2 } },
  }),
)
add(
  'a string that is not UTF-8',
  frames.workerToGateway,
  Buffer.from('12110a0d0a09616e6e3a6a6f622d31100118011a01ff', 'hex'),
)
add(
  'a chunk at an offset past the largest result',
  frames.workerToGateway,
  frames.workerToGateway.encode({
    body: { case: 'result', value: { lease, offset: 16_777_217, bytes: new Uint8Array(1) } },
  }),
)
add(
  'a chat payload',
  frames.payload,
  frames.payload.encode({
    body: { case: 'chat', value: { messages: [{ role: 'user', content: 'hi' }], maxOutputTokens: 16 } },
  }),
)
add(
  'a chat without messages',
  frames.payload,
  frames.payload.encode({
    body: { case: 'chat', value: { maxOutputTokens: 16 } },
  }),
)
add(
  'a temperature over 2',
  frames.payload,
  frames.payload.encode({
    body: {
      case: 'chat',
      value: { messages: [{ role: 'user' }], maxOutputTokens: 1, sampling: { temperatureMilli: 2001 } },
    },
  }),
)

const head = { origin: 'edgecoder/vectors/log/12D3KooWHome/1', size: 3n, root: new Uint8Array(32).fill(9) }
const checkpoint = new TextEncoder().encode('a checkpoint note')
const hash = new Uint8Array(32).fill(1)
add(
  'a coordinator says hello',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'hello', value: { heads: { heads: [head] } } } }),
)
add(
  'a head of no entries',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'heads', value: { heads: [{ ...head, size: 0n }] } } }),
)
add('a beat', frames.ledger, frames.ledger.encode({ body: { case: 'beat', value: {} } }))
add(
  'a range is asked for from its beginning',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'rangeAsk', value: { ask: 1, origin: head.origin } } }),
)
add(
  'a range is asked for without a number',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'rangeAsk', value: { origin: head.origin, from: 7n } } }),
)
add(
  'a piece of a range',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'rangePiece',
      value: { ask: 1, checkpoint, path: [hash], entries: [Uint8Array.of(0x80), Uint8Array.of(0x81, 0)] },
    },
  }),
)
add(
  'a piece without entries',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'rangePiece', value: { ask: 1, checkpoint } } }),
)
add(
  'a piece with 513 entries',
  frames.ledger,
  frames.ledger.encode({
    body: { case: 'rangePiece', value: { ask: 1, entries: Array(513).fill(Uint8Array.of(0)) } },
  }),
)
add(
  'a path with a hash of 31 bytes',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'rangePiece',
      value: { ask: 1, checkpoint, path: [new Uint8Array(31)], entries: [Uint8Array.of(0x80)] },
    },
  }),
)
add(
  'a cosignature is asked for',
  frames.ledger,
  frames.ledger.encode({
    body: { case: 'cosignAsk', value: { ask: 2, oldSize: 1n, checkpoint, proof: [hash, hash] } },
  }),
)
add(
  'a cosignature',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'cosignAnswer',
      value: { ask: 2, outcome: { case: 'cosignature', value: new Uint8Array(72).fill(2) } },
    },
  }),
)
add(
  'a cosignature without its time',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'cosignAnswer',
      value: { ask: 2, outcome: { case: 'cosignature', value: new Uint8Array(64).fill(2) } },
    },
  }),
)
const lastSeal = { origin: head.origin, checkpoint }
const sealAnswer = (value: object) => frames.ledger.encode({ body: { case: 'sealAnswer', value } })
add(
  'seals are asked for',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'sealAsk', value: { ask: 3, origin: head.origin } } }),
)
add(
  'seals are asked for of no log',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'sealAsk', value: { ask: 3 } } }),
)
add('a seal', frames.ledger, sealAnswer({ ask: 3, seals: [lastSeal] }))
add('nothing was cosigned', frames.ledger, sealAnswer({ ask: 3 }))
add('the log was begun already', frames.ledger, sealAnswer({ ask: 3, begun: checkpoint }))
add(
  'it cannot be said yet what was cosigned',
  frames.ledger,
  sealAnswer({ ask: 3, why: { code: 'policy-behind', detail: 'not here', retryAfterMs: 2_000 } }),
)
add('a seal without its checkpoint', frames.ledger, sealAnswer({ ask: 3, seals: [{ origin: head.origin }] }))
add('seventeen seals', frames.ledger, sealAnswer({ ask: 3, seals: Array(17).fill(lastSeal) }))
add(
  'another size was cosigned last',
  frames.ledger,
  frames.ledger.encode({
    body: { case: 'cosignAnswer', value: { ask: 2, outcome: { case: 'cosignedSize', value: 2n } } },
  }),
)
add(
  'a coordinator that knows snapshots says hello',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'hello', value: { heads: { heads: [head] }, snapshots: true } } }),
)
add(
  'a snapshot is asked for',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'snapshotAsk', value: { ask: 3, origin: head.origin, above: 2n } } }),
)
add(
  'what a snapshot is of',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'snapshotHead',
      value: { ask: 3, checkpoint, frontier: [hash, hash], final: checkpoint, proof: [hash] },
    },
  }),
)
add(
  'what a snapshot is of, without a frontier',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'snapshotHead', value: { ask: 3, checkpoint, final: checkpoint } } }),
)
add(
  'the next records are asked for',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'snapshotNext', value: { ask: 4, after: 'b|user', snapshot: 3 } } }),
)
add(
  'the next records of no snapshot',
  frames.ledger,
  frames.ledger.encode({ body: { case: 'snapshotNext', value: { ask: 4, after: 'b|user' } } }),
)
add(
  'the last records of a snapshot',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'snapshotPiece',
      value: { ask: 4, records: [{ key: 'b|user2', value: Uint8Array.of(5) }], last: true },
    },
  }),
)
add(
  'a record without a key',
  frames.ledger,
  frames.ledger.encode({
    body: { case: 'snapshotPiece', value: { ask: 4, records: [{ value: Uint8Array.of(5) }] } },
  }),
)
add(
  'a record of 64 KiB',
  frames.ledger,
  frames.ledger.encode({
    body: {
      case: 'snapshotPiece',
      value: { ask: 4, records: [{ key: 'b|x', value: new Uint8Array(65_536) }] },
    },
  }),
)
add(
  'evidence of a fork',
  frames.evidence,
  frames.evidence.encode({
    what: { case: 'fork', value: { older: checkpoint, newer: checkpoint, leaf: hash, path: [hash] } },
  }),
)
add(
  'evidence of a fork with one checkpoint only',
  frames.evidence,
  frames.evidence.encode({ what: { case: 'fork', value: { older: checkpoint } } }),
)

// A fixed test key, so that the vectors stay the same: never use it for anything else.
const seed = Buffer.from('302e020100300506032b657004220420'.concat('42'.repeat(32)), 'hex')
const privateKey = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' })
const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
const signer = { publicKey, sign: (bytes: Uint8Array) => sign(null, bytes, privateKey) }
const sealed = seal(signer, 'vectors', statements.order, { headers: [header] }, 1_800_000_000_000)
add('a signed order', envelopeCodec, envelopeCodec.encode(sealed))
add(
  'a signature of 63 bytes',
  envelopeCodec,
  envelopeCodec.encode({ ...sealed, signature: sealed.signature.subarray(1) }),
)

for (const bytes of [32, 31]) {
  const value = {
    agentId: 'shed-1',
    capabilities: { languages: ['python'] },
    registrationSecret: new Uint8Array(bytes).fill(5),
  }
  add(
    `a hello with a registration secret of ${bytes} bytes`,
    frames.workerToCoordinator,
    frames.workerToCoordinator.encode({ body: { case: 'hello', value } }),
  )
}

const check = { taskId: header.id, fence: 1n, checkId: 'ann:01M89NPJG0B9MJ8NCZ48E9PS9W' }
const asksCheck = frames.coordinatorToGateway.encode({ body: { case: 'check', value: check } })
add('a coordinator asks for a check', frames.coordinatorToGateway, asksCheck)
add(
  'a check of no attempt',
  frames.coordinatorToGateway,
  frames.coordinatorToGateway.encode({ body: { case: 'check', value: { ...check, fence: 0n } } }),
)
add(
  'a gateway orders no check',
  frames.gatewayToCoordinator,
  frames.gatewayToCoordinator.encode({
    body: { case: 'checkRefused', value: { checkId: check.checkId, why: { code: 'task-not-found' } } },
  }),
)

const enrolls = { agentId: 'edge-1', role: NodeRole.GATEWAY, registrationSecret: new Uint8Array(32).fill(5) }
for (const [name, value] of [
  ['a gateway shows its registration token', enrolls],
  ['a token that is shown without a role', { ...enrolls, role: NodeRole.UNSPECIFIED }],
  ['a role that there is not', { ...enrolls, role: 9 as NodeRole }],
  ['no registration secret', { ...enrolls, registrationSecret: new Uint8Array() }],
] as const) {
  add(name, frames.enrollment, frames.enrollment.encode({ body: { case: 'ask', value } }))
}
add(
  'the gateway waits for approval',
  frames.enrollment,
  frames.enrollment.encode({ body: { case: 'answer', value: { why: { code: 'approval-pending' } } } }),
)

const disputed = { taskId: header.id, fence: 1n, sandbox: 'bubblewrap', reason: 'it fails here' }
const dispute = { ...disputed, createdMs: 1_800_000_000_000n }
const signedDispute = seal(signer, 'vectors', statements.dispute, dispute, 1_800_000_000_000)
const asksDispute = { ask: 9, taskId: header.id, dispute: signedDispute }
add(
  'a gateway disputes a result',
  frames.gatewayToCoordinator,
  frames.gatewayToCoordinator.encode({ body: { case: 'dispute', value: asksDispute } }),
)
add(
  'a gateway asks how a dispute stands',
  frames.gatewayToCoordinator,
  frames.gatewayToCoordinator.encode({ body: { case: 'dispute', value: { ask: 10, taskId: header.id } } }),
)
add('what a dispute says', statements.dispute, statements.dispute.encode(dispute))
add('a dispute of no attempt', statements.dispute, statements.dispute.encode({ ...dispute, fence: 0n }))
const standing = { ask: 9, state: 1, sinceMs: 5n, untilMs: 10n, verifier: '12D3KooWVerifier', owner: 'bob' }
add(
  'a disputed result waits for a verifier',
  frames.coordinatorToGateway,
  frames.coordinatorToGateway.encode({ body: { case: 'dispute', value: { ...standing, votes: 1 } } }),
)

for (const bytes of [32, 31]) {
  const value = { digest: new Uint8Array(bytes).fill(6) }
  add(
    `a file is wanted by a digest of ${bytes} bytes`,
    frames.modelAsk,
    frames.modelAsk.encode({ body: { case: 'want', value } }),
  )
}
for (const bytes of [1_048_576, 1_048_577]) {
  const value = { offset: 1_048_576n, bytes }
  add(
    `${bytes} bytes of a file are asked for`,
    frames.modelAsk,
    frames.modelAsk.encode({ body: { case: 'span', value } }),
  )
}
add(
  'a file is here',
  frames.modelAnswer,
  frames.modelAnswer.encode({ body: { case: 'have', value: { bytes: 5_000_000_000n } } }),
)
add(
  'a file without a length is here',
  frames.modelAnswer,
  frames.modelAnswer.encode({ body: { case: 'have', value: {} } }),
)
add(
  'a piece of a file',
  frames.modelAnswer,
  frames.modelAnswer.encode({
    body: { case: 'piece', value: { offset: 5_000_000_000n, bytes: Uint8Array.of(1) } },
  }),
)
add(
  'an empty piece of a file',
  frames.modelAnswer,
  frames.modelAnswer.encode({ body: { case: 'piece', value: { offset: 5n } } }),
)
add(
  'a file is not lent',
  frames.modelAnswer,
  frames.modelAnswer.encode({
    body: { case: 'refused', value: { code: 'model-missing', detail: 'not here' } },
  }),
)
add(
  'a coordinator welcomes a worker, and tells its time',
  frames.coordinatorToWorker,
  frames.coordinatorToWorker.encode({
    body: { case: 'welcome', value: { leaseMs: 10_000, heartbeatMs: 2_000, timeMs: 1_800_000_000_000n } },
  }),
)
add(
  'a coordinator welcomes a gateway, and tells its time',
  frames.coordinatorToGateway,
  frames.coordinatorToGateway.encode({
    body: { case: 'welcome', value: { heartbeatMs: 2_000, disputes: true, timeMs: 1_800_000_000_000n } },
  }),
)

process.stdout.write(`${JSON.stringify(vectors, null, 2)}\n`)
