import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gateway, TaskResult } from '../../roles/gateway/gateway.js'
import { eventStream } from '../event-stream.js'
import type { LiveStreams } from '../live-streams.js'
import { mount, type Surface } from '../mount.js'
import { given, taskRequest } from '../schemas/submission.js'
import { explanationJson, resultJson, taskJson } from '../schemas/task.js'
import { idempotencyKey } from './idempotency.js'
import { taskEvents } from './task-events.js'
import { TASK_ROUTES } from './task-routes.js'
import { endOrTimeout } from './wait.js'

export interface TaskRouteComponents {
  readonly gateway: Gateway
  readonly streams: LiveStreams
  readonly clock: Clock
  readonly log: Log
}

const DEFAULT_PAGE = 50
const KEEP_ALIVE_MS = 15_000

/** Serves {@link TASK_ROUTES} over a gateway. */
export function mountTasks(surface: Surface, components: TaskRouteComponents): void {
  const { gateway } = components
  mountSubmit(surface, components)
  mountEvents(surface, components)

  mount(surface, TASK_ROUTES.list, async ({ caller, query }) => {
    const { limit = DEFAULT_PAGE, cursor, state } = query
    const page = await gateway.tasks(caller.account, { limit, ...given({ cursor, state }) })
    return { ...page, tasks: page.tasks.map(taskJson) }
  })

  mount(surface, TASK_ROUTES.show, async ({ caller, params }) => {
    const task = await gateway.task(caller.account, params.id)
    return task === undefined ? noSuchTask(params.id) : taskJson(task)
  })

  mount(surface, TASK_ROUTES.cancel, async ({ caller, params }) => {
    const task = await gateway.cancel(caller.account, params.id, 'user')
    return isRefusal(task) ? task : taskJson(task)
  })

  mount(surface, TASK_ROUTES.result, async ({ caller, params, query }) => {
    const result = await gateway.result(caller.account, params.id)
    if (isRefusal(result)) return result
    return query.format === 'patch' ? patch(result) : resultJson(result)
  })

  mount(surface, TASK_ROUTES.explain, async ({ caller, params }) => {
    const explanation = await gateway.explain(caller.account, params.id)
    return isRefusal(explanation) ? explanation : explanationJson(explanation)
  })

  mount(surface, TASK_ROUTES.openDispute, ({ caller, params, body }) =>
    gateway.disputes.open(caller.account, params.id, body.reason),
  )

  mount(surface, TASK_ROUTES.dispute, ({ caller, params }) =>
    gateway.disputes.show(caller.account, params.id),
  )

  mount(surface, TASK_ROUTES.capacity, () => gateway.capacity())
}

function mountSubmit(surface: Surface, components: TaskRouteComponents): void {
  const { gateway, streams } = components
  mount(surface, TASK_ROUTES.submit, async ({ caller, query, body, signal, http }) => {
    const id = idempotencyKey(http.req.header('idempotency-key'), body.id)
    if (isRefusal(id)) return id
    // A slot for the wait is taken first: a refusal after the submission would hide that it was made.
    const waiting = query.wait ? streams.open(caller.keyId, signal) : undefined
    if (isRefusal(waiting)) return waiting
    try {
      const submission = await gateway.submit(taskRequest(body, caller.account, id))
      if (isRefusal(submission)) return submission
      const { task, existed } = submission
      http.status(existed ? 200 : 201)
      if (waiting === undefined) return taskJson(task)
      await endOrTimeout(components, task, (query.wait ?? 0) * 1000, waiting.signal)
      return taskJson((await gateway.task(caller.account, task.id)) ?? task)
    } finally {
      waiting?.end()
    }
  })
}

function mountEvents(surface: Surface, components: TaskRouteComponents): void {
  const { gateway, streams, clock } = components
  mount(surface, TASK_ROUTES.events, async ({ caller, params, query, signal, http }) => {
    const after = lastEventId(http.req.header('last-event-id')) ?? query.after
    const task = await gateway.task(caller.account, params.id)
    if (task === undefined) return noSuchTask(params.id)
    const stream = streams.open(caller.keyId, signal)
    if (isRefusal(stream)) return stream
    return eventStream(taskEvents(components, task, after, stream), clock, { keepAliveMs: KEEP_ALIVE_MS })
  })
}

/** What a client sends is its own affair: an id that we never gave starts from the beginning. */
function lastEventId(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined
}

function patch(result: TaskResult): Response | Refusal {
  if (result.kind !== 'solve') {
    return refusal('bad-request', `a ${result.kind} task has no patch`, { next: 'Leave format=patch out.' })
  }
  return new Response(result.patch, { headers: { 'content-type': 'text/x-diff; charset=utf-8' } })
}

function noSuchTask(id: string): Refusal {
  return refusal('task-not-found', `no task ${id} of this account`, {
    next: '`edgecoder task list` shows all.',
  })
}
