import type { z } from 'zod'
import type { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import type { LentFilesJson } from '../../src/bridge/schemas/worker.js'
import { clockSkew } from '../clock-skew.js'
import { ago, duration } from './duration.js'
import { facts, table } from './table.js'
import { closedText, localText } from './terms-text.js'

const MIB = 1024 * 1024

type Answer<R extends keyof typeof ADMIN_ROUTES> = z.output<(typeof ADMIN_ROUTES)[R]['response']>

/** `node status` for people. */
export function nodeStatusText(status: Answer<'status'>): string {
  const parts = [
    facts([
      ['Node', `${status.agentId} (${status.roles.join(', ')})`],
      ['Ready', status.ready ? 'yes' : 'no'],
      ...status.notReady.map(({ role, why }): [string, string] => [
        `  ${role}`,
        [why.message, why.next].filter(Boolean).join(' → '),
      ]),
      ['Network', status.network],
      ['Policy', status.policy && [status.policy.message, status.policy.next].filter(Boolean).join(' → ')],
      ['Incident', status.incident?.map(({ message }) => message).join('\n           ')],
      ['Peer id', status.peerId],
      [
        'Addresses',
        status.addresses.length === 0 ? 'none: it only dials' : status.addresses.join('\n           '),
      ],
      ['Bridge', status.bridgeUrl],
      ['Up', duration(status.uptimeMs)],
      ['Version', status.version],
      ['Clock', clockText(status)],
    ]),
  ]
  if (status.worker !== undefined) parts.push(workerText(status.worker))
  if (status.coordinator !== undefined) parts.push(coordinatorText(status.coordinator))
  if (status.gateway !== undefined) parts.push(gatewayText(status.gateway))
  return parts.join('\n\n')
}

/** Only when somebody should look at it. */
function clockText({ worker, gateway }: Answer<'status'>): string | undefined {
  const skew = clockSkew([...(worker?.coordinators ?? []), ...(gateway?.coordinators ?? [])])
  return skew === undefined || skew.state === 'good' ? undefined : `${skew.detail} → edgecoder doctor`
}

function workerText(worker: NonNullable<Answer<'status'>['worker']>): string {
  const attached = worker.coordinators.map(
    ({ peerId, sinceMs, slotsOffered }) =>
      `${peerId} (${slotsOffered} ${slotsOffered === 1 ? 'slot' : 'slots'} offered, attached ${ago(sinceMs)})`,
  )
  const models = worker.models.map(
    ({ name, contextTokens, tokensPerS }) =>
      `${name} (${contextTokens} tokens, ${Math.round(tokensPerS)} tokens/s)`,
  )
  const running = worker.running.map(
    ({ taskId, stage, tokens, sinceMs }) => `${taskId}: ${stage}, ${tokens} tokens, began ${ago(sinceMs)}`,
  )
  return facts([
    ['Coordinators', attached.join('\n              ') || 'none'],
    ['Works now', worker.closed.length === 0 ? undefined : `no: ${worker.closed.map(closedText).join('; ')}`],
    ['Slots', `${worker.slots.busy} of ${worker.slots.total} busy`],
    ['Engine', worker.engine || 'none'],
    ['Models', models.join('\n              ') || 'none'],
    ['Sandbox', worker.sandbox === '' ? 'none' : `${worker.sandbox}: ${worker.languages.join(', ')}`],
    ['Running', running.join('\n              ') || 'nothing'],
    [
      'Offered',
      worker.offers.length === 0 ? undefined : worker.offers.map(offerText).join('\n              '),
    ],
    ['Lends', worker.lends && lendsText(worker.lends)],
    ['Finished', `${worker.finished.done} done, ${worker.finished.failed} failed`],
  ])
}

function lendsText({ files, uploads, sentBytes, why }: LentFilesJson): string | undefined {
  const names = files.flatMap(({ models }) => models).join(', ')
  if (names === '') return undefined
  if (why !== undefined) return `${names}: not now, ${why.message}`
  return `${names}: ${uploads.length} uploads, ${Math.round(sentBytes / MIB)} MiB sent`
}

/** A version that policy has for a worker, and what its contributor does about it. */
function offerText(offer: NonNullable<Answer<'status'>['worker']>['offers'][number]): string {
  const { rollout, cohort, target, model, version, rolledBack } = offer
  const by = `rollout ${rollout}, ${cohort}`
  if (rolledBack) {
    const back = version === '' ? 'what was there before' : version
    return `${by}: ROLLED BACK, go back to ${target === 'model' ? `model ${model} ` : ''}${back}`
  }
  if (target === 'runtime') return `${by}: runtime ${version}; install it and start the node anew`
  return `${by}: model ${model}; run: edgecoder model pull ${model} --digest ${version}`
}

/** `coordinator status` for people. */
export function coordinatorText(status: Answer<'coordinatorStatus'>): string {
  return facts([
    ['Workers', String(status.workers)],
    ['Gateways', String(status.gateways)],
    [
      'Queued',
      `${status.queued}${status.queued === 0 ? '' : `, the oldest for ${duration(status.oldestQueuedMs)}`}`,
    ],
    ['Leased', String(status.leased)],
    ['Running', String(status.running)],
    ['Ended', `${status.done} done, ${status.failed} failed`],
    [
      'Storm',
      status.stormSinceMs === undefined
        ? undefined
        : `began ${ago(status.stormSinceMs)}: many workers went quiet at once, so nobody is given up`,
    ],
    [
      'Paused',
      status.paused &&
        `${ago(status.paused.sinceMs)}: ${status.paused.reason} ` +
          `(new tasks are ${status.paused.refusesSubmits ? 'refused' : 'queued'}; leases that are out go on)`,
    ],
    ['Resuming', status.resuming && stageText(status.resuming)],
    [
      'Isolated',
      status.isolated === 0 ? undefined : `${status.isolated} peers: edgecoder coordinator isolations`,
    ],
    ['Not ready', status.notReady?.message],
  ])
}

/** How far a staged resume has come. */
export function stageText(resuming: NonNullable<Answer<'coordinatorStatus'>['resuming']>): string {
  const { stage, ended, attempts, failed, mostLeases, held, stageMs, sinceMs } = resuming
  if (held !== undefined) return `HOLDS, and gives out nothing: ${held}`
  const leftMs = sinceMs + stageMs - Date.now()
  const lasts = leftMs > 0 ? `, for ${duration(leftMs)} at least` : ''
  const leases = `${mostLeases} ${mostLeases === 1 ? 'lease' : 'leases'} at once`
  return `stage ${stage}: ${leases}; ${ended} of ${attempts} attempts ended, ${failed} failed${lasts}`
}

function gatewayText(gateway: NonNullable<Answer<'status'>['gateway']>): string {
  return facts([
    ['Coordinators', gateway.coordinators.map(({ peerId }) => peerId).join(', ') || 'none'],
    ['Unfinished tasks', String(gateway.unfinishedTasks)],
    ['Workers linked', String(gateway.dataLinks)],
    ['Stored', `${(gateway.storedBytes / 1024 / 1024).toFixed(1)} MiB`],
  ])
}

/** `node why-idle` for people. */
export function whyIdleText(why: Answer<'whyIdle'>): string {
  if (why.busy) return 'The worker is busy.'
  if (why.reasons.length === 0) return `Nothing keeps it from working; ${why.queued} tasks wait.`
  return why.reasons
    .map(({ detail, tasks, next, untilMs }) => {
      const held = tasks === 0 ? '' : ` (${tasks} waiting ${tasks === 1 ? 'task' : 'tasks'})`
      const until = untilMs === undefined ? '' : `, until ${localText(untilMs)}`
      return `- ${detail}${until}${held}${next === undefined ? '' : `\n  next: ${next}`}`
    })
    .join('\n')
}

/** `coordinator queue` for people. */
export function queueText(queue: Answer<'coordinatorQueue'>): string {
  if (queue.classes.length === 0 && queue.tasks.length === 0) return 'Nothing waits and nothing runs.'
  return [
    table(
      ['kind', 'model', 'languages', 'queued', 'oldest', 'workers that can'],
      queue.classes.map((one) => [
        one.kind,
        one.model || 'any',
        one.languages.join(','),
        String(one.queued),
        duration(one.oldestMs),
        String(one.feasibleWorkers),
      ]),
    ),
    table(
      ['account', 'unfinished'],
      queue.accounts.map(({ account, unfinished }) => [account, String(unfinished)]),
    ),
    table(
      ['task', 'account', 'state', 'since', 'attempts', 'worker', 'why'],
      queue.tasks.map((task) => [
        task.id,
        task.account,
        task.state,
        ago(task.sinceMs),
        String(task.attempts),
        task.worker ?? '',
        task.why?.message ?? '',
      ]),
    ),
  ].join('\n\n')
}

/** `coordinator workers` for people. */
export function workersText({ workers }: Answer<'coordinatorWorkers'>): string {
  if (workers.length === 0) return 'No worker is attached.'
  return table(
    ['worker', 'liveness', 'heard', 'free', 'models', 'sandbox', 'done', 'failed', 'peer id'],
    workers.map((worker) => [
      worker.agentId,
      worker.liveness,
      ago(worker.lastHeardMs),
      `${worker.free}/${worker.slots}`,
      worker.models.map((model) => model.name).join(','),
      worker.sandbox,
      String(worker.done),
      String(worker.failed),
      worker.peerId,
    ]),
  )
}

/** `coordinator peers` for people. */
export function peersText({ peers }: Answer<'peers'>): string {
  if (peers.length === 0) return 'No peer is connected.'
  return table(
    ['peer id', 'direction', 'relayed', 'ping', 'address'],
    peers.map((peer) => [
      peer.peerId,
      peer.direction,
      peer.relayed ? 'yes' : 'no',
      peer.latencyMs === undefined ? '' : duration(peer.latencyMs),
      peer.addresses[0] ?? '',
    ]),
  )
}

/** `coordinator drains` for people. */
export function drainsText({ drains }: Answer<'coordinatorDrains'>): string {
  if (drains.length === 0) return 'No worker is drained here.'
  return table(
    ['peer id', 'since', 'leases left', 'cut', 'reason'],
    drains.map(({ worker, sinceMs, untilMs, leases, reason }) => [
      worker,
      ago(sinceMs),
      leases === 0 ? 'none: drained' : String(leases),
      untilMs === undefined ? 'never' : new Date(untilMs).toISOString(),
      reason,
    ]),
  )
}

/** `coordinator isolations` for people. */
export function isolationsText({ isolations }: Answer<'coordinatorIsolations'>): string {
  if (isolations.length === 0) return 'No peer is isolated here.'
  return table(
    ['peer id', 'since', 'reason'],
    isolations.map(({ peer, sinceMs, reason }) => [peer, ago(sinceMs), reason]),
  )
}
