import { expect } from 'vitest'
import type { MeshSize } from '../../cli/local-mesh/layout.js'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import type { ProgressJson, ResultJson, TaskJson } from '../../src/bridge/schemas/task.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { echo, type GatedEngine, gatedEngine, HOLD } from './gated-engine.js'
import { type OpenAiServer, startOpenAiServer } from './openai-server.js'
import { createProcessMesh, type NodeProcess, type ProcessMesh } from './process-mesh.js'
import { until } from './until.js'

const WITHIN_MS = 60_000

/** A mesh whose tasks run for as long as a test wants them to: their engine is in the test's own process. */
export class HeldTasks {
  readonly engine: GatedEngine
  readonly mesh: ProcessMesh
  readonly #server: OpenAiServer

  constructor(engine: GatedEngine, server: OpenAiServer, mesh: ProcessMesh) {
    this.engine = engine
    this.#server = server
    this.mesh = mesh
  }

  /** Where the engine listens, on loopback. */
  get enginePort(): number {
    return Number(new URL(this.#server.url).port)
  }

  get gateway(): NodeProcess {
    return this.mesh.get('gateway')
  }

  /** Submits a chat whose answer waits half-way. Resolves when it is acknowledged. */
  submit(id: string): Promise<TaskJson> {
    const messages = [{ role: 'user' as const, content: promptOf(id) }]
    return this.gateway.client().call(TASK_ROUTES.submit, { body: { kind: 'chat', id, messages } })
  }

  /** What is asked of the model by the task of this name. */
  prompt(id: string): string {
    return promptOf(id)
  }

  task(id: string): Promise<TaskJson> {
    return this.gateway.client().call(TASK_ROUTES.show, { params: { id } })
  }

  /** Resolves with the worker that runs it, when its engine is half-way and the gateway has the text so far. */
  async running(id: string): Promise<NodeProcess> {
    const task = await until(
      `${id} to run`,
      async () => {
        const shown = await this.task(id)
        const isHalfway = this.engine.waiting.some((prompt) => prompt === promptOf(id))
        return isHalfway && shown.steps.some((step) => step.name === 'first-token') && shown
      },
      WITHIN_MS,
    )
    return this.mesh.byPeer(task.worker?.peerId)
  }

  /** How often an engine was asked for it. */
  begun(id: string): number {
    return this.engine.begun.filter((prompt) => prompt === promptOf(id)).length
  }

  /** Lets its engine go on. */
  letGo(id: string): void {
    this.engine.letGo(id)
  }

  /** Resolves when the coordinator holds it in this state. */
  async standsAt(coordinator: NodeProcess, id: string, state: string): Promise<void> {
    const params = { account: 'local', id }
    await until(
      `${id} to be ${state} at ${coordinator.node.name}`,
      async () =>
        (await coordinator.client().call(ADMIN_ROUTES.coordinatorExplain, { params })).state === state,
      WITHIN_MS,
    )
  }

  /** Follows it to its end, again and again when the gateway goes away, as its user would. */
  async events(id: string): Promise<readonly ProgressJson[]> {
    const events: ProgressJson[] = []
    const signal = AbortSignal.timeout(WITHIN_MS)
    for (;;) {
      const after = events.at(-1)?.seq
      try {
        const followed = this.gateway
          .client()
          .events(id, { signal, ...(after === undefined ? {} : { after }) })
        for await (const event of followed) events.push(event)
        return events
      } catch (error) {
        if (signal.aborted || !(error instanceof EdgeCoderError)) throw error
      }
    }
  }

  /**
   * Waits for its end and checks what its user sees of it: done once, after so many attempts, with one whole answer.
   *
   * @param attempts undefined when it depends on what the kill cut off
   */
  async expectDoneOnce(id: string, attempts?: number): Promise<void> {
    const events = await this.events(id)
    const states = events.flatMap((event) => (event.type === 'state' ? [event.task.state] : []))
    expect(states.filter((state) => ENDED.has(state))).toEqual(['done'])
    expect(events.at(-1)).toMatchObject({ type: 'state', task: { state: 'done' } })
    expect(textOf(events)).toBe(echo(promptOf(id)))
    const client = this.gateway.client()
    const result: ResultJson = await client.call(TASK_ROUTES.result, { params: { id } })
    expect(result).toMatchObject({ kind: 'chat', text: echo(promptOf(id)), task: { id, state: 'done' } })
    if (attempts !== undefined) expect(result.task.attempt).toBe(attempts)
    const { tasks } = await client.call(TASK_ROUTES.list, { query: { limit: 200 } })
    expect(tasks.filter((task) => task.id === id)).toHaveLength(1)
  }

  async close(): Promise<void> {
    await this.mesh.close()
    await this.#server.close()
  }
}

const ENDED = new Set(['done', 'failed', 'cancelled', 'expired'])

function promptOf(id: string): string {
  return `${HOLD} ${id}`
}

/** The text of the last attempt. */
function textOf(events: readonly ProgressJson[]): string {
  const from = events.findLastIndex((event) => event.type === 'reset')
  return events
    .slice(from + 1)
    .map((event) => (event.type === 'text' ? event.text : ''))
    .join('')
}

/** Lays the mesh out; nothing runs yet. */
export async function createHeldTasks(
  size: MeshSize,
  settings: Readonly<Record<string, string>> = {},
): Promise<HeldTasks> {
  const engine = gatedEngine()
  const server = await startOpenAiServer({ engine })
  // A gated engine makes no headway, however slow the machine of the test is.
  const all = { EDGE_ENGINE: server.url, EDGE_LEASE_MS: '120000', EDGE_SANDBOX: 'none', ...settings }
  return new HeldTasks(engine, server, await createProcessMesh(size, all))
}
