/**
 * Every name the network speaks under, written once. The network id is in each of them, so that two
 * networks on one machine never meet.
 *
 * @see protocols/README.md
 */
export interface ProtocolIds {
  /** Worker ↔ coordinator control stream; the worker dials. */
  readonly worker: string
  /** Gateway ↔ coordinator control stream; the gateway dials. */
  readonly gateway: string
  /** Worker ↔ gateway data stream; the worker dials. */
  readonly data: string
  /** Coordinator ↔ coordinator stream on which logs are replicated; the one whose peer id sorts first dials. */
  readonly ledger: string
  /** Gateway or coordinator that is not admitted yet → coordinator; it shows its registration token. */
  readonly enrollment: string
  /** Peer ↔ peer stream on which messages of the signed policy travel; either dials. */
  readonly policy: string
  /** Worker ↔ worker stream on which a file of a model is lent; who wants it dials. */
  readonly models: string
  /** kad-dht protocol. */
  readonly dht: string
  /** Prefix of identify and ping. */
  readonly prefix: string
  /** Gossip topic of work announcements. */
  readonly announcements: string
  /** Gossip topic of the checkpoints of logs. */
  readonly ledgerHeads: string
  /** Gossip topic of new messages of the signed policy. */
  readonly policyMessages: string
  /** What a coordinator provides in the DHT, before hashing. */
  readonly coordinatorRendezvous: string
  /**
   * What a worker provides that lends the file of this SHA-256, before hashing.
   *
   * @param digest in hexadecimal
   */
  modelRendezvous(digest: string): string
}

/** @param networkId 1–64 of `A–Z a–z 0–9 . _ -` */
export function protocolIds(networkId: string): ProtocolIds {
  const base = `/edgecoder/${networkId}`
  return {
    worker: `${base}/worker/1`,
    gateway: `${base}/gateway/1`,
    data: `${base}/data/1`,
    ledger: `${base}/ledger/1`,
    enrollment: `${base}/enrollment/1`,
    policy: `${base}/policy/1`,
    models: `${base}/models/1`,
    dht: `${base}/kad/1`,
    prefix: `edgecoder/${networkId}`,
    announcements: `${base}/announcements/1`,
    ledgerHeads: `${base}/ledger-heads/1`,
    policyMessages: `${base}/policy-messages/1`,
    coordinatorRendezvous: `${base}/coordinator`,
    modelRendezvous: (digest) => `${base}/model/${digest}`,
  }
}
