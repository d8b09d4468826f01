import { z } from 'zod'
import { ChecksJson } from './checks.js'
import { CoordinatorStatusJson } from './coordinator.js'
import { ProblemJson } from './problem.js'
import { AttachedToJson, ModelJson, WorkerStatusJson } from './worker.js'

const texts = z.array(z.string()).readonly()

const GatewayStatusJson = z.object({
  notReady: ProblemJson.optional(),
  coordinators: z.array(AttachedToJson).readonly(),
  unfinishedTasks: z.number(),
  dataLinks: z.number(),
  storedBytes: z.number(),
})

export const NodeStatusJson = z.object({
  version: z.string(),
  network: z.string(),
  peerId: z.string(),
  agentId: z.string(),
  mode: z.string(),
  roles: texts,
  addresses: texts,
  bridgeUrl: z.string().optional(),
  startedMs: z.number(),
  uptimeMs: z.number(),
  ready: z.boolean(),
  notReady: z
    .array(z.object({ role: z.string(), why: ProblemJson }))
    .readonly()
    .meta({ description: 'Each role that cannot get work now, and why.' }),
  policy: ProblemJson.optional().meta({ description: 'Why the signed policy is not to be relied on now.' }),
  incident: ProblemJson.array()
    .readonly()
    .optional()
    .meta({ description: 'What an incident closes for the whole network; absent = nothing.' }),
  worker: WorkerStatusJson.optional(),
  coordinator: CoordinatorStatusJson.optional(),
  gateway: GatewayStatusJson.optional(),
})

export type NodeStatusJson = z.output<typeof NodeStatusJson>

export const ConfigJson = z.object({
  settings: z
    .array(z.object({ name: z.string(), value: z.string(), origin: z.string(), help: z.string() }))
    .readonly(),
})

export const PeersJson = z.object({
  peers: z
    .array(
      z.object({
        peerId: z.string(),
        addresses: texts,
        direction: z.enum(['inbound', 'outbound']),
        relayed: z.boolean(),
        latencyMs: z.number().optional(),
        roles: texts.optional(),
      }),
    )
    .readonly(),
})

export const MeshViewJson = z.object({
  addresses: texts.meta({ description: 'Multiaddrs that others are told.' }),
  observed: z
    .array(z.object({ address: z.string(), peers: z.number() }))
    .readonly()
    .meta({ description: 'As which address peers see this one, and how many of them.' }),
  relays: texts.meta({ description: 'Peers that relay for this one.' }),
  connections: z.object({
    inbound: z.number(),
    outbound: z.number(),
    relayed: z.number(),
    inboundPublic: z.number().meta({ description: 'From public addresses, so that it can be reached.' }),
  }),
  dht: z.object({ mode: z.enum(['client', 'server']), peers: z.number() }),
  topics: z
    .array(z.object({ topic: z.string(), peers: z.number() }))
    .readonly()
    .meta({ description: 'What is gossiped, and how many neighbours listen to it.' }),
})

export const WhyIdleJson = z.object({
  busy: z.boolean(),
  queued: z.number(),
  reasons: z
    .array(
      z.object({
        code: z.string(),
        detail: z.string(),
        tasks: z.number(),
        next: z.string().optional(),
        untilMs: z.number().optional().meta({ description: 'When it ends, if that is known.' }),
      }),
    )
    .readonly(),
})

export const QueueJson = z.object({
  queued: z.number(),
  classes: z
    .array(
      z.object({
        kind: z.string(),
        model: z.string(),
        languages: texts,
        queued: z.number(),
        oldestMs: z.number(),
        feasibleWorkers: z.number(),
      }),
    )
    .readonly(),
  accounts: z
    .array(z.object({ account: z.string(), unfinished: z.number() }))
    .readonly()
    .meta({ description: 'Accounts with the most unfinished tasks first.' }),
  tasks: z
    .array(
      z.object({
        id: z.string(),
        account: z.string(),
        kind: z.string(),
        model: z.string(),
        state: z.string(),
        sinceMs: z.number(),
        attempts: z.number(),
        worker: z.string().optional(),
        why: ProblemJson.optional(),
      }),
    )
    .readonly(),
})

const attemptCounts = {
  success: z.number(),
  failure: z.number().meta({ description: "By the worker's own fault." }),
  lost: z.number().meta({ description: 'Of workers that vanished.' }),
}

const SpreadJson = z.object({ p50Ms: z.number(), p99Ms: z.number(), samples: z.number() })

export const QualityJson = z.object({
  sinceMs: z.number(),
  attempts: z.object(attemptCounts),
  done: z.number(),
  doneAtFirst: z.number().meta({ description: 'By the first worker that had it.' }),
  retries: z.number().meta({ description: 'Leases beyond the first one of a task.' }),
  wait: SpreadJson.optional().meta({ description: 'From submit to the first lease, of the newest.' }),
  run: SpreadJson.optional().meta({ description: 'From lease to end, of those that succeeded.' }),
  models: z.array(z.object({ model: z.string(), ...attemptCounts, doneAtFirst: z.number() })).readonly(),
  workers: z
    .array(
      z.object({
        peerId: z.string(),
        agentId: z.string().optional().meta({ description: 'Of one that is attached, or lately gone.' }),
        ...attemptCounts,
        reasons: z
          .array(z.object({ code: z.string(), count: z.number() }))
          .readonly()
          .meta({ description: 'Why attempts failed, the most frequent first.' }),
      }),
    )
    .readonly(),
  checks: ChecksJson.optional().meta({ description: 'Left out where nobody is asked about results.' }),
})

export const WorkersJson = z.object({
  workers: z
    .array(
      z.object({
        peerId: z.string(),
        agentId: z.string(),
        liveness: z.enum(['live', 'quiet', 'unknown', 'lost']),
        lastHeardMs: z.number(),
        slots: z.number(),
        free: z.number(),
        engine: z.string(),
        sandbox: z.string(),
        models: z.array(ModelJson).readonly(),
        languages: texts,
        done: z.number(),
        failed: z.number(),
        version: z.string(),
      }),
    )
    .readonly(),
})

export const CoordinatorExplanationJson = z.object({
  summary: z.string(),
  state: z.string(),
  workers: z.number(),
  candidates: z
    .array(
      z.object({
        worker: z.string(),
        agentId: z.string(),
        eligible: z.boolean(),
        reasons: z.array(ProblemJson).readonly(),
      }),
    )
    .readonly(),
})

export const ModelsJson = z.object({
  from: z.enum(['gateway', 'coordinator', 'worker']).meta({ description: 'Whose view this is.' }),
  models: z
    .array(
      z.object({
        name: z.string(),
        contextTokens: z.number(),
        tokensPerS: z.number(),
        workers: z.number(),
        freeSlots: z.number(),
        digests: texts
          .optional()
          .meta({ description: 'SHA-256s that engines tell it by; a gateway has none.' }),
        barredWorkers: z
          .number()
          .optional()
          .meta({ description: 'Workers that have it, and that policy does not let serve it.' }),
        bar: ProblemJson.optional().meta({ description: 'Why not, of one of them.' }),
      }),
    )
    .readonly(),
})

export type ModelsJson = z.output<typeof ModelsJson>

const WrittenLogJson = z
  .object({
    origin: z.string(),
    home: z.string().meta({ description: 'Peer id of the coordinator that began the home.' }),
    epoch: z.number().meta({ description: 'Grows with each hand-over of the home.' }),
    state: z.enum(['serving', 'sealed', 'waiting', 'continuing', 'closed']).meta({
      description:
        '`sealed` = its home was handed over since; `waiting` = it is not known yet where the log before ' +
        'it is cut; `continuing` = the state that it goes on with is being made; `closed` = see why.',
    }),
    entries: z.number().meta({
      description: 'That are durable; while `continuing`: of the logs before it, applied again.',
    }),
    of: z.number().optional().meta({ description: 'While `continuing`: of so many.' }),
    finalEntries: z.number(),
    why: ProblemJson.optional(),
  })
  .meta({ id: 'WrittenLog' })

export const LedgerStatusJson = z.object({
  origin: z.string().meta({ description: 'Name of the log, and of the key that signs its checkpoints.' }),
  entries: z.number().meta({ description: 'Durable, under a signed checkpoint.' }),
  pendingEntries: z.number(),
  root: z.string().meta({ description: 'Of the checkpoint, hexadecimal.' }),
  policySequence: z.number(),
  finalEntries: z
    .number()
    .meta({ description: 'Cosigned by enough coordinators: others may build on them.' }),
  unfinalAgeMs: z.number().meta({ description: 'Age of the oldest entry that is not final; 0 = all are.' }),
  quorum: z.number().meta({ description: 'How many coordinators must cosign, this one among them.' }),
  written: z
    .array(WrittenLogJson)
    .readonly()
    .meta({ description: 'Logs of homes that are, were or will be this coordinator’s.' }),
  logs: z
    .array(
      z.object({
        origin: z.string(),
        own: z.boolean(),
        size: z.number().meta({ description: 'Entries that are here.' }),
        finalSize: z.number(),
        claimedSize: z.number().meta({ description: 'Entries that somebody says there are.' }),
        isolated: z.boolean().meta({ description: 'There is evidence against its coordinator.' }),
        tip: z
          .object({
            size: z.number().meta({ description: 'Entries up to which the state was followed.' }),
            startSize: z.number().meta({ description: 'Entries that the snapshot was of.' }),
            from: z.string().meta({ description: 'Peer id of who gave it.' }),
            proven: z.boolean().meta({ description: 'Entries up to its start came to the same state.' }),
          })
          .optional()
          .meta({ description: 'Its end, ahead of its entries, from a snapshot; nothing is signed by it.' }),
      }),
    )
    .readonly()
    .meta({ description: 'All logs that are here.' }),
  peers: z
    .array(
      z.object({
        peerId: z.string(),
        connected: z.boolean(),
        behindEntries: z.number().meta({ description: 'Entries of all logs here that it does not hold.' }),
        cosignedSize: z.number().meta({ description: 'Entries of the log here that it has cosigned.' }),
        clockAheadMs: z
          .number()
          .optional()
          .meta({ description: 'How far its clock is ahead of the one here, by its newest cosignature.' }),
      }),
    )
    .readonly()
    .meta({ description: 'The other coordinators.' }),
  notReady: ProblemJson.optional(),
})
