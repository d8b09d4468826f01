import { createHash } from 'node:crypto'
import { statements } from '../../src/wire/envelope.js'
import { isMalformed } from '../../src/wire/frame.js'
import { Standing } from '../../src/wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { Check, SimEvent, Speech } from './events.js'

/** The whole of a run in one number: two runs with the same hash were the same run. */
export class TraceHash implements Check {
  readonly #hash = createHash('sha256')
  /** Events told so far. */
  events = 0

  see(event: SimEvent): void {
    this.events++
    this.#hash.update(`${event.atMs} ${event.at} ${event.type}\n`)
    if (event.type === 'sent' || event.type === 'received')
      this.#hash.update(`${event.peer} `).update(event.bytes)
    else if (event.type === 'gossip') this.#hash.update(event.bytes)
    else if (event.type === 'logged') this.#hash.update(event.event)
    else if (event.type === 'note') this.#hash.update(event.text)
    else if (event.type === 'writing' || event.type === 'durable') {
      for (const write of event.writes) {
        this.#hash.update(write.key)
        if (write.type === 'put') this.#hash.update(write.value)
      }
    }
  }

  digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16)
  }
}

/** Told all the time, and seldom the reason for anything. */
const DULL: readonly (string | undefined)[] = [
  'ping',
  'pong',
  'beat',
  'beatAck',
  'capacity',
  'output',
  'payload',
]

/** A run for people to read: one line for each thing that matters. */
export class TraceWriter implements Check {
  readonly #write: (line: string) => void

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  see(event: SimEvent): void {
    const text = textOf(event)
    if (text === undefined) return
    this.#write(`${(event.atMs / 1000).toFixed(4).padStart(10)}  ${event.at.padEnd(3)} ${text}`)
  }
}

function textOf(event: SimEvent): string | undefined {
  switch (event.type) {
    case 'sent':
      return DULL.includes(event.speech.body.case)
        ? undefined
        : `-> ${event.peer}  ${speechText(event.speech)}`
    case 'closed':
      return `   ${event.peer}  link closed`
    case 'durable': {
      const tasks = event.writes.filter(({ key }) => /^(t|r|g\|[to])\|/.test(key))
      return tasks.length === 0
        ? undefined
        : `== on disk: ${tasks.map(({ type, key }) => `${type} ${key}`).join(', ')}`
    }
    case 'unwritten':
      return '== disk refuses'
    case 'started':
    case 'stopped':
    case 'crashed':
      return `** ${event.type}`
    case 'note':
      return `** ${event.text}`
    case 'logged':
      return event.level === 'debug'
        ? undefined
        : `.. ${event.level} ${event.event} ${fieldsText(event.fields)}`
    default:
      return undefined
  }
}

function fieldsText(fields: object): string {
  return Object.entries(fields)
    .filter(([key, value]) => value !== undefined && key !== 'role')
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ')
}

function speechText({ body }: Speech): string {
  const { case: kind, value } = body
  if (value === undefined) return 'nothing'
  const parts: string[] = [kind ?? '']
  if ('header' in value && value.header !== undefined && 'fence' in value) {
    parts.push(`${value.header.id}#${value.fence} attempt ${'attempt' in value ? value.attempt : '?'}`)
  }
  if ('lease' in value && value.lease !== undefined) parts.push(`${value.lease.taskId}#${value.lease.fence}`)
  if (kind === 'state' && 'standing' in value) parts.push(stateText(value))
  if (kind === 'synced' && 'states' in value) parts.push(...value.states.map(stateText))
  if (kind === 'submitted' && 'results' in value) {
    for (const { taskId, refusal, existed } of value.results) {
      parts.push(`${taskId} ${refusal?.code ?? (existed ? 'existed' : 'taken')}`)
    }
  }
  if (kind === 'submit' && 'order' in value && value.order !== undefined) {
    const order = statements.order.decode(value.order.payload)
    if (!isMalformed(order)) parts.push(...order.headers.map(({ id, fenceFloor }) => `${id}>${fenceFloor}`))
  }
  if ('taskId' in value && kind !== 'state') parts.push(String(value.taskId))
  if ('reason' in value) parts.push(String(value.reason))
  for (const why of ['why', 'refusal'] as const) {
    const no =
      why in value ? (value as { why?: { code?: string }; refusal?: { code?: string } })[why] : undefined
    if (no?.code !== undefined) parts.push(no.code)
  }
  if ('running' in value && Array.isArray(value.running)) parts.push(`running ${value.running.length}`)
  if ('keep' in value && Array.isArray(value.keep)) parts.push(`keep ${value.keep.length}`)
  if (kind === 'open' && 'resumed' in value && value.resumed) parts.push('resumed')
  return parts.join(' ')
}

function stateText(state: { taskId: string; standing: Standing; fence: bigint; attempt: number }): string {
  return `${state.taskId}#${state.fence} ${Standing[state.standing]} attempt ${state.attempt}`
}
