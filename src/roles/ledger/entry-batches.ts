import { CHECKED_TOGETHER } from './constants.js'

/** Entries as many at once as are checked side by side. */
export async function* inBatches(entries: AsyncIterable<Uint8Array>): AsyncIterable<readonly Uint8Array[]> {
  let batch: Uint8Array[] = []
  for await (const entry of entries) {
    batch.push(entry)
    if (batch.length < CHECKED_TOGETHER) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
