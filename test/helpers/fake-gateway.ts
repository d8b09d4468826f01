import { EventEmitter, once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { type Refusal, refusal } from '../../src/core/refusal.js'
import type {
  Capacity,
  Explanation,
  Gateway,
  GatewayStatus,
  Submission,
  TaskPage,
  TaskProgress,
  TaskRequest,
  TaskResult,
  TaskView,
} from '../../src/roles/gateway/gateway.js'

import { FakeDisputes } from './fake-disputes.js'
import { FakeWallets } from './fake-wallets.js'

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
type Step = DistributiveOmit<TaskProgress, 'seq'>

export interface FakeTask {
  readonly request: TaskRequest
  view: TaskView
  readonly progress: TaskProgress[]
  result?: TaskResult
}

const USAGE = {
  promptTokens: 12,
  completionTokens: 5,
  engineMs: 40,
  sandboxMs: 0,
  model: 'tiny-coder',
  iterations: 1,
}

const ENDED = new Set(['done', 'failed', 'cancelled', 'expired'])

/** A gateway in memory that does what the test tells it to: no worker, no clock. */
export class FakeGateway implements Gateway {
  readonly submitted: TaskRequest[] = []
  readonly cancelled: { readonly id: string; readonly reason: string }[] = []
  readonly #tasks = new Map<string, FakeTask>()
  readonly #changes = new EventEmitter().setMaxListeners(0)
  readonly wallets = new FakeWallets()
  readonly disputes = new FakeDisputes((account, id) => this.#tasks.has(key(account, id)))
  started = true
  /** Streams of events open now. */
  open = 0
  /** Events that readers have taken. */
  read = 0
  /** The next submissions are answered with this. */
  refuse: Refusal | undefined
  notReady: Refusal | undefined
  /** Thrown by the next call of `task`. */
  fault: Error | undefined
  /** Called for each new task, to script what becomes of it. */
  onSubmit: (task: FakeTask) => void = () => {}
  models: Capacity['models'] = [
    { name: 'tiny-coder', contextTokens: 512, tokensPerS: 700, workers: 2, freeSlots: 2 },
    { name: 'org/coder:7b', contextTokens: 8192, tokensPerS: 30, workers: 1, freeSlots: 0 },
  ]

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async submit(request: TaskRequest): Promise<Submission | Refusal> {
    if (this.refuse !== undefined) return this.refuse
    const id = request.id ?? `task-${this.submitted.length + 1}`
    const known = this.#tasks.get(key(request.account, id))
    if (known !== undefined) {
      const same = isDeepStrictEqual(content(known.request), content(request))
      return same
        ? { task: known.view, existed: true }
        : refusal('task-conflict', `task ${id} exists with other content`)
    }
    const view: TaskView = {
      id,
      account: request.account,
      kind: request.kind,
      model: request.kind === 'test' ? '' : request.model,
      state: 'queued',
      submittedMs: 1_700_000_000_000 + this.submitted.length,
      attempt: 0,
      maxAttempts: request.maxAttempts ?? 3,
      position: 0,
      steps: [{ name: 'submitted', atMs: 1_700_000_000_000 }],
    }
    this.submitted.push(request)
    const task: FakeTask = { request, view, progress: [] }
    this.#tasks.set(key(request.account, id), task)
    this.say(task, { type: 'state', task: view })
    this.onSubmit(task)
    return { task: task.view, existed: false }
  }

  /** Something happens to a task. */
  say(task: FakeTask, step: Step): void {
    task.progress.push({ seq: task.progress.length + 1, ...step } as TaskProgress)
    if (step.type === 'state') task.view = step.task
    this.#changes.emit('change')
  }

  text(task: FakeTask, text: string, attempt = 1): void {
    this.say(task, { type: 'text', attempt, text })
  }

  finish(task: FakeTask, part: Partial<TaskResult> = {}): void {
    const view: TaskView = { ...task.view, state: 'done', endedMs: 1_700_000_001_000, usage: USAGE }
    const spoken = task.progress.map((one) => (one.type === 'text' ? one.text : '')).join('')
    const base = { task: view, usage: USAGE }
    task.result = {
      ...base,
      ...(task.request.kind === 'chat'
        ? { kind: 'chat', text: spoken, finishReason: 'stop' }
        : task.request.kind === 'test'
          ? { kind: 'test', report: REPORT }
          : { kind: 'solve', solved: true, patch: PATCH, files: [], report: REPORT, iterations: 2 }),
      ...part,
    } as TaskResult
    this.say(task, { type: 'state', task: view })
  }

  fail(task: FakeTask, why: Refusal): void {
    this.say(task, {
      type: 'state',
      task: { ...task.view, state: 'failed', why, endedMs: 1_700_000_001_000 },
    })
  }

  find(account: string, id: string): FakeTask | undefined {
    return this.#tasks.get(key(account, id))
  }

  async task(account: string, id: string): Promise<TaskView | undefined> {
    if (this.fault !== undefined) throw this.fault
    return this.find(account, id)?.view
  }

  async tasks(
    account: string,
    page: { readonly limit: number; readonly cursor?: string; readonly state?: string },
  ): Promise<TaskPage> {
    const all = [...this.#tasks.values()]
      .map((task) => task.view)
      .filter((view) => view.account === account && (page.state === undefined || view.state === page.state))
      .reverse()
    const from = page.cursor === undefined ? 0 : Number(page.cursor)
    const to = from + page.limit
    return { tasks: all.slice(from, to), ...(to < all.length ? { next: String(to) } : {}) }
  }

  async cancel(account: string, id: string, reason: 'user' | 'client-gone'): Promise<TaskView | Refusal> {
    const task = this.find(account, id)
    if (task === undefined) return refusal('task-not-found', `no task ${id}`)
    if (ENDED.has(task.view.state)) return refusal('task-ended', `task ${id} has ended`)
    this.cancelled.push({ id, reason })
    const why = refusal('cancelled-by-user', reason)
    this.say(task, { type: 'state', task: { ...task.view, state: 'cancelled', why } })
    return task.view
  }

  async *events(
    account: string,
    id: string,
    options: { readonly after?: number; readonly signal: AbortSignal },
  ): AsyncIterable<TaskProgress> {
    const task = this.find(account, id)
    if (task === undefined) return
    this.open++
    this.#changes.emit('change')
    try {
      for (let next = options.after ?? 0; ; ) {
        for (const progress of task.progress.slice(next)) {
          next = progress.seq
          this.read++
          yield progress
        }
        if (next < task.progress.length) continue
        if (ENDED.has(task.view.state) || options.signal.aborted) return
        await once(this.#changes, 'change', { signal: options.signal })
      }
    } finally {
      this.open--
      this.#changes.emit('change')
    }
  }

  /** Waits until something of this gateway is so. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.#changes, 'change', { signal: AbortSignal.timeout(20_000) })
  }

  async result(account: string, id: string): Promise<TaskResult | Refusal> {
    const task = this.find(account, id)
    if (task === undefined) return refusal('task-not-found', `no task ${id}`)
    if (task.result !== undefined) return task.result
    if ('why' in task.view && task.view.why !== undefined) return task.view.why
    return refusal('result-pending', `task ${id} has not ended`, { retryAfterMs: 1_000 })
  }

  async explain(account: string, id: string): Promise<Explanation | Refusal> {
    const task = this.find(account, id)
    if (task === undefined) return refusal('task-not-found', `no task ${id}`)
    return {
      task: task.view,
      summary: 'waiting for a free slot',
      workers: 1,
      candidates: [
        {
          worker: '12D3KooWfake',
          agentId: 'w1',
          eligible: false,
          reasons: [refusal('no-free-slot', 'every slot is taken')],
        },
      ],
    }
  }

  capacity(): Capacity {
    return { models: this.models, languages: ['javascript', 'python'], workers: 3, freeSlots: 2, queued: 4 }
  }

  status(): GatewayStatus {
    return {
      coordinators: [{ peerId: '12D3KooWcoordinator', sinceMs: 1_700_000_000_000 }],
      ...(this.notReady === undefined ? {} : { notReady: this.notReady }),
      unfinishedTasks: 1,
      dataLinks: 2,
      storedBytes: 3,
    }
  }
}

export const REPORT = {
  verdict: 'passed',
  exitCode: 0,
  stdout: 'ok\n',
  stderr: '',
  truncated: false,
  durationMs: 120,
  sandbox: 'bubblewrap',
}

export const PATCH = '--- a/a.js\n+++ b/a.js\n@@ -1 +1 @@\n-1\n+2\n'

function key(account: string, id: string): string {
  return `${account}:${id}`
}

function content(request: TaskRequest): object {
  const { id: _, ...rest } = request
  return rest
}
