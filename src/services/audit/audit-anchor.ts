import type { Store } from '../../ports/store.js'
import { auditFiles, auditLines } from './audit-folder.js'
import { type AuditHead, hashOf } from './audit-record.js'

const KEY = 'audit|sealed'

/**
 * How far the log was sealed, kept in the node's store: who cuts or changes the files alone is found out at
 * the next start. It tells nothing of who can write to the store as well.
 */
export class AuditAnchor {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async set({ sequence, previous }: AuditHead): Promise<void> {
    const value = Buffer.from(`${sequence} ${previous}`)
    await this.#store.commit([{ type: 'put', key: KEY, value }])
  }

  /** What is wrong with the log by what is known of it. @returns undefined = it goes at least so far */
  async damage(folder: string): Promise<string | undefined> {
    const kept = await this.#store.get(KEY)
    if (kept === undefined) return undefined
    const [digits = '', hash = ''] = Buffer.from(kept).toString().split(' ')
    // The head names the next record; the sealed one is before it.
    const sequence = Number(digits) - 1
    const file = (await auditFiles(folder)).findLast(({ from }) => from <= sequence)
    if (file === undefined) return `record ${sequence}, which was sealed, is gone`
    for await (const { bytes, number } of auditLines(file.path)) {
      if (file.from + number - 1 !== sequence) continue
      return hashOf(bytes) === hash ? undefined : `record ${sequence}, which was sealed, is another one now`
    }
    return `record ${sequence}, which was sealed, is gone`
  }
}
