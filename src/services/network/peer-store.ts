import { LevelDatastore } from 'datastore-level'
import { Level } from 'level'
import { storeFault } from '../store/store-fault.js'

/** Where libp2p keeps what it knows of peers, so that a restart does not begin with none. */
export interface PeerStore {
  readonly datastore: LevelDatastore
  /** @throws EdgeCoderError `store-locked`, `store-failed`, `store-corrupt` */
  open(): Promise<void>
  close(): Promise<void>
}

export function createPeerStore(path: string): PeerStore {
  // Opened here and not by the datastore, which drops the reason when it fails.
  const level = new Level<string, Uint8Array>(path, { keyEncoding: 'utf8', valueEncoding: 'view' })
  const datastore = new LevelDatastore(level)
  return {
    datastore,
    async open() {
      try {
        await level.open()
      } catch (cause) {
        throw storeFault(path, cause)
      }
    },
    close: () => datastore.close(),
  }
}
