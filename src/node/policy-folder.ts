import { EdgeCoderError } from '../core/errors.js'
import type { Clock } from '../ports/clock.js'
import type { Log } from '../ports/log.js'
import type { PolicyKeeper } from '../roles/policy/policy-keeper.js'
import { readChainFile } from '../services/policy/chain-folder.js'

interface Components {
  readonly clock: Clock
  readonly log: Log
  readonly keeper: PolicyKeeper
}

/** How often the folder is looked at for the next message. */
const LOOK_MS = 2_000

/**
 * Takes message after message from a folder, until there is no next one. The node never writes there.
 *
 * @param taken called with each
 * @throws EdgeCoderError of the message that cannot be taken; `store-failed`
 */
export async function takeFolder(
  keeper: PolicyKeeper,
  folder: string,
  taken: (bytes: Uint8Array) => Promise<void> = async () => {},
): Promise<void> {
  for (;;) {
    const { length } = keeper
    const bytes = await readChainFile(folder, length)
    if (bytes === undefined) return
    const { refused } = await keeper.take([bytes])
    if (refused !== undefined) {
      const { code, detail, next } = refused
      throw new EdgeCoderError(code, `policy message ${length} of ${folder}: ${detail}`, {
        ...(next === undefined ? {} : { next }),
      })
    }
    // Another file than its name says: it would be read again for ever.
    if (keeper.length === length) {
      throw new EdgeCoderError('policy-out-of-order', `${folder} has an older message under place ${length}`)
    }
    await taken(bytes)
  }
}

/** Takes up messages that come into a folder later. @returns stops that */
export function watchFolder(
  { clock, log, keeper }: Components,
  folder: string,
  taken: (bytes: Uint8Array) => Promise<void>,
): () => void {
  let looking = false
  let told = ''
  const look = async (): Promise<void> => {
    try {
      await takeFolder(keeper, folder, taken)
      told = ''
    } catch (error) {
      if (!(error instanceof EdgeCoderError)) throw error
      // Said once: it stays wrong until somebody puts another message there.
      if (told !== error.message) log.error('policy-not-taken', { error, next: error.next })
      told = error.message
    }
  }
  const timer = clock.every(LOOK_MS, () => {
    if (looking) return
    looking = true
    void look().finally(() => {
      looking = false
    })
  })
  return () => timer.cancel()
}
