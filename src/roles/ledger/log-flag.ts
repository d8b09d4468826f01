import { EdgeCoderError } from '../../core/errors.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import type { LogKeys } from './log-keys.js'

/**
 * What forbids to append to a log: `continuing` = the state that it goes on with is being made; `restoring` =
 * a restore has begun and did not end; `unconfirmed` = it was restored, from a backup or by copying a folder
 * back, and nobody said yet that no later entries of it are known elsewhere; `rebuilding` = what follows from
 * its entries is being made anew; `rebuilding-unconfirmed` = the same of one that was unconfirmed. Persisted.
 */
export type LogFlag = (typeof FLAGS)[number]

const FLAGS = ['continuing', 'restoring', 'unconfirmed', 'rebuilding', 'rebuilding-unconfirmed'] as const

export async function readFlag(store: Store, keys: LogKeys): Promise<LogFlag | undefined> {
  const value = await store.get(keys.flag)
  if (value === undefined) return undefined
  const text = Buffer.from(value).toString()
  return FLAGS.find((flag) => flag === text) ?? 'restoring'
}

export function flagWrite(keys: LogKeys, flag: LogFlag | undefined): Write {
  if (flag === undefined) return { type: 'del', key: keys.flag }
  return { type: 'put', key: keys.flag, value: Buffer.from(flag) }
}

/** State, tiles and wallet rows are not whole. */
export function isRebuilding(flag: LogFlag | undefined): flag is 'rebuilding' | 'rebuilding-unconfirmed' {
  return flag === 'rebuilding' || flag === 'rebuilding-unconfirmed'
}

/** Why a log with this flag takes no entry. */
export function flagRefusal(flag: LogFlag): Refusal {
  if (flag === 'continuing') {
    return refusal('log-unconfirmed', 'the state that this log goes on with is not made to its end', {
      next: 'Start again: it is made anew from the logs before it.',
    })
  }
  if (flag === 'restoring') {
    return refusal('log-unconfirmed', 'a restore of this log was interrupted', {
      next: 'Restore the backup again.',
    })
  }
  if (isRebuilding(flag)) {
    return refusal('log-unconfirmed', 'a rebuild of this log was interrupted', {
      next: 'Begin it again, while the node is stopped: edgecoder ledger rebuild',
    })
  }
  return refusal(
    'log-unconfirmed',
    'this log was restored from a backup or an older copy, which may lack its latest entries',
    {
      next: 'Connect to the other coordinators: they confirm its latest checkpoint, or have what is missing.',
    },
  )
}

/** The same as a fault, for what can no longer be refused. */
export function flagFault(flag: LogFlag, log: string): EdgeCoderError {
  const { code, detail, next = '' } = flagRefusal(flag)
  return new EdgeCoderError(code, `The log ${log} takes no entries: ${detail}.`, { next })
}
