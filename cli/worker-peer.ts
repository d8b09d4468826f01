import { ADMIN_ROUTES } from '../src/bridge/admin-client.js'
import { EdgeCoderError } from '../src/core/errors.js'
import { connect } from './connection.js'
import type { Session } from './session.js'

/** A name must be of one worker that is attached, or lately was; a peer id may be of any. */
export async function workerPeer(session: Session, worker: string): Promise<string> {
  const route = ADMIN_ROUTES.coordinatorWorkers
  const { workers } = await connect(session, ['coordinator']).call(route, { signal: session.signal })
  const named = workers.filter(({ agentId, peerId }) => agentId === worker || peerId === worker)
  if (named.length === 1) return named[0]?.peerId ?? worker
  if (/^12D3KooW[A-Za-z0-9]{44}$/.test(worker)) return worker
  const detail =
    named.length === 0 ? `no worker "${worker}" is known here` : `"${worker}" are ${named.length} workers`
  throw new EdgeCoderError('not-found', detail, { next: 'Give its peer id: edgecoder coordinator workers.' })
}
