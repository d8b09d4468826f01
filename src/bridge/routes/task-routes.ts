import { z } from 'zod'
import { PLAIN, type Route } from '../route.js'
import { CapacityJson } from '../schemas/capacity.js'
import { DisputeJson, DisputeRequestJson } from '../schemas/dispute.js'
import { queryInteger, TaskParams, taskId } from '../schemas/parameters.js'
import { SubmissionJson } from '../schemas/submission.js'
import {
  ExplanationJson,
  ProgressJson,
  ResultJson,
  TASK_STATES,
  TaskJson,
  TaskPageJson,
} from '../schemas/task.js'

/** Longest a request may wait for a task to end. */
const WAIT_SECONDS = 60
const PAGE = 200
/** Sent when nothing more will come: a client that saw it does not reconnect. */
export const END_EVENT = 'end'
/** Sent when the stream breaks off; its data is an error body. */
export const ERROR_EVENT = 'error'

const one = { ...PLAIN, params: TaskParams }

/** Tasks of the caller's account; served by the bridge under /api/v1 and by the admin API under /admin/v1. */
export const TASK_ROUTES = {
  submit: {
    ...PLAIN,
    method: 'post',
    path: '/tasks',
    summary: 'Submit a task. The same id with the same content again answers with the task that exists.',
    needs: 'tasks:write',
    query: z.strictObject({ wait: queryInteger(0, WAIT_SECONDS).optional() }),
    headers: z.object({ 'idempotency-key': taskId.optional() }),
    body: SubmissionJson,
    response: TaskJson,
    creates: true,
  },
  list: {
    ...PLAIN,
    method: 'get',
    path: '/tasks',
    summary: 'Tasks, newest first. `next` of one page is the `cursor` of the following.',
    needs: 'tasks:read',
    query: z.strictObject({
      limit: queryInteger(1, PAGE).optional(),
      cursor: z.string().min(1).max(512).optional(),
      state: z.enum(TASK_STATES).optional(),
    }),
    response: TaskPageJson,
  },
  show: {
    ...one,
    method: 'get',
    path: '/tasks/{id}',
    summary: 'One task.',
    needs: 'tasks:read',
    response: TaskJson,
  },
  cancel: {
    ...one,
    method: 'post',
    path: '/tasks/{id}/cancel',
    summary: 'Cancel a task that has not ended.',
    needs: 'tasks:write',
    response: TaskJson,
  },
  result: {
    ...one,
    method: 'get',
    path: '/tasks/{id}/result',
    summary: 'What came of a task; `format=patch` gives the patch of a solve task as text.',
    needs: 'tasks:read',
    query: z.strictObject({ format: z.enum(['json', 'patch']).optional() }),
    response: ResultJson,
  },
  events: {
    ...one,
    method: 'get',
    path: '/tasks/{id}/events',
    summary:
      'All that happened and happens, as server-sent events, to one named `end`. Resumes by `Last-Event-ID`.',
    needs: 'tasks:read',
    query: z.strictObject({ after: queryInteger(0, Number.MAX_SAFE_INTEGER).optional() }),
    headers: z.object({ 'last-event-id': z.string().optional() }),
    response: ProgressJson,
    media: 'text/event-stream',
  },
  explain: {
    ...one,
    method: 'get',
    path: '/tasks/{id}/explain',
    summary: 'Why a task stands where it stands: every candidate with every reason why not.',
    needs: 'tasks:read',
    response: ExplanationJson,
  },
  openDispute: {
    ...one,
    method: 'post',
    path: '/tasks/{id}/dispute',
    summary: 'Have workers of other owners run the tests of a result again; once for each task.',
    needs: 'tasks:write',
    body: DisputeRequestJson,
    response: DisputeJson,
  },
  dispute: {
    ...one,
    method: 'get',
    path: '/tasks/{id}/dispute',
    summary: 'How the dispute about a result stands.',
    needs: 'tasks:read',
    response: DisputeJson,
  },
  capacity: {
    ...PLAIN,
    method: 'get',
    path: '/capacity',
    summary: 'What the mesh can do now.',
    needs: 'models:read',
    response: CapacityJson,
  },
} as const satisfies Record<string, Route>
