/** Remembers the last so many things. */
export interface RecentSet {
  /** @returns false when it was there already */
  add(item: string): boolean
}

export function createRecentSet(size: number): RecentSet {
  const items = new Set<string>()
  return {
    add(item) {
      if (items.has(item)) return false
      items.add(item)
      for (const oldest of items) {
        if (items.size <= size) break
        items.delete(oldest)
      }
      return true
    },
  }
}
