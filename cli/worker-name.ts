import { ADMIN_ROUTES } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import { connect } from './connection.js'
import type { Session } from './session.js'

/**
 * The peer id that is meant. A name must be of one worker that is attached to the coordinator, or lately
 * was; a peer id may be of anybody.
 *
 * @throws EdgeCoderError `not-found`
 */
export async function workerOf(session: Session, named: string): Promise<string> {
  const route = ADMIN_ROUTES.coordinatorWorkers
  const { workers } = await connect(session, ['coordinator']).call(route, { signal: session.signal })
  const found = workers.filter(({ agentId, peerId }) => agentId === named || peerId === named)
  if (found.length === 1) return found[0]?.peerId ?? named
  if (/^12D3KooW[A-Za-z0-9]{44}$/.test(named)) return named
  const detail =
    found.length === 0 ? `no worker "${named}" is known here` : `"${named}" are ${found.length} workers`
  throw new EdgeCoderError('not-found', detail, { next: 'Give its peer id: edgecoder coordinator workers.' })
}
