import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Link } from '../../ports/network.js'
import { frames } from '../../wire/frame.js'
import type { CoordinatorToGatewaySchema } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'

type ToGateway = NonNullable<MessageInitShape<typeof CoordinatorToGatewaySchema>['body']>

/** An attached gateway. */
export interface GatewaySession {
  readonly peerId: string
  readonly link: Link
  /** Where workers can dial it. */
  readonly addresses: readonly string[]
  /** It understands being asked for checks. */
  readonly checks: boolean
  /** A clock that never goes back. */
  heardMs: number
}

export function tellGateway(link: Link, body: ToGateway): void {
  link.send(frames.coordinatorToGateway.encode({ body }))
}
