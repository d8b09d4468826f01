import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Enrollment } from '../../roles/enrollment/enrollment.js'
import { mount, type Surface } from '../mount.js'
import { ENROLLMENT_ROUTES as ROUTES } from './enrollment-routes.js'

interface Components {
  /** Of the coordinator here. */
  readonly peerId: string
  readonly enrollment: Enrollment | undefined
  /** Why there is no enrollment here. */
  readonly none: () => Refusal
}

export function mountEnrollment(surface: Surface, { peerId, enrollment, none }: Components): void {
  mount(surface, ROUTES.enrollmentIssue, ({ body }) => enrollment?.issue(body) ?? none())
  mount(surface, ROUTES.enrollmentTokens, () =>
    enrollment === undefined ? none() : { tokens: enrollment.tokens() },
  )
  mount(surface, ROUTES.enrollmentRevoke, ({ params }) => enrollment?.revoke(params.id) ?? none())
  mount(surface, ROUTES.enrollmentRequests, () =>
    enrollment === undefined
      ? none()
      : { coordinator: peerId, requests: enrollment.requests(), overdue: enrollment.overdue() },
  )
  mount(surface, ROUTES.enrollmentDeny, async ({ params, body }) => {
    if (enrollment === undefined) return none()
    const denied = await enrollment.deny(params.peer, body.reason)
    if (isRefusal(denied)) return denied
    const { token: _, ...request } = denied
    return request
  })
}
