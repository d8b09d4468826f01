import { type Refusal, refusal } from '../../core/refusal.js'
import type { Closed } from '../../core/terms/judge-terms.js'
import type { WhyIdle as WireWhyIdle } from '../../wire/generated/edgecoder/control/v1/worker_pb.js'
import { type Means, servedModels } from './capabilities.js'
import type { SlotBook } from './slot-book.js'
import type { WhyIdle } from './worker.js'

/** Models that policy does not let serve, told of one by one. */
const MODELS_TOLD = 8
/** What keeps a worker from some work only. */
const PARTIAL: ReadonlySet<string> = new Set(['no-engine', 'no-sandbox', 'model-refused', 'incident-closed'])

type Reason = WhyIdle['reasons'][number]

/** What a coordinator says of a worker whose terms are closed only says again what the worker told it. */
const ECHOES: ReadonlySet<string> = new Set(['worker-paused', 'no-free-slot'])

/**
 * What keeps this worker itself from work, the nearest cause first.
 *
 * @param detached why no coordinator is attached; undefined = one is
 */
export function ownReasons(means: Means, slots: SlotBook, detached: Refusal | undefined): readonly Refusal[] {
  const reasons: Refusal[] = []
  if (slots.draining) reasons.push(refusal('shutting-down', 'this worker is stopping and takes nothing new'))
  if (detached !== undefined) reasons.push(detached)
  if (means.engine === undefined || means.models.length === 0) {
    reasons.push(
      refusal(
        'no-engine',
        means.engine === undefined
          ? 'there is no model engine here: chat and solve tasks cannot run'
          : 'the model engine offers no model: chat and solve tasks cannot run',
        {
          next: 'run Ollama or llama.cpp here, or give a GGUF path; then see `edgecoder model list`',
        },
      ),
    )
  }
  reasons.push(...means.models.flatMap((model) => means.barOf(model) ?? []).slice(0, MODELS_TOLD))
  if (means.sandbox === undefined) {
    reasons.push(
      refusal('no-sandbox', 'there is no sandbox here: solve and test tasks cannot run', {
        next: 'install bubblewrap, or let the portable one be used; `edgecoder doctor` tells what is missing',
      }),
    )
  }
  return reasons
}

/** Why it cannot get any work now; undefined = it can. A worker with an engine or a sandbox can get some. */
export function notReady(means: Means, slots: SlotBook, detached: Refusal | undefined): Refusal | undefined {
  const noModel = means.engine === undefined || servedModels(means).length === 0
  const canNothing = noModel && means.sandbox === undefined
  return ownReasons(means, slots, detached).find((reason) => canNothing || !PARTIAL.has(reason.code))
}

interface OwnReasons {
  readonly own: readonly Refusal[]
  /** By the contributor's terms. */
  readonly closed: readonly Closed[]
  readonly lentTo: string | undefined
}

/** Puts own reasons before those of the coordinators that were asked. */
export function whyIdle({ own, closed, lentTo }: OwnReasons, asked: readonly WireWhyIdle[]): WhyIdle {
  const reasons: Reason[] = own.map(({ code, detail, next }) => ({
    code,
    detail,
    tasks: 0,
    ...(next === undefined ? {} : { next }),
  }))
  reasons.push(...closed.map(closedReason))
  if (lentTo !== undefined) {
    reasons.push({ code: 'lent', detail: `the free slots are lent to coordinator ${lentTo}`, tasks: 0 })
  }
  for (const answer of asked) {
    const said = answer.reasons.filter(({ code }) => closed.length === 0 || !ECHOES.has(code))
    reasons.push(...said.map(({ code, detail, tasks }) => ({ code, detail, tasks })))
  }
  const queued = asked.reduce((sum, answer) => sum + answer.queued, 0)
  if (reasons.length === 0 && queued === 0) {
    reasons.push({ code: 'no-work', detail: 'no task waits at the coordinator', tasks: 0 })
  }
  return { busy: false, queued, reasons }
}

function closedReason({ closing, detail, untilMs }: Closed): Reason {
  const next = 'see `edgecoder node terms show`; change a term with `edgecoder node terms set`'
  return { code: closing, detail, tasks: 0, next, ...(untilMs === undefined ? {} : { untilMs }) }
}
