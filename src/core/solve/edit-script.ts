/** One run of equal lines, or of lines taken out and put in at the same place. */
export interface Edit {
  readonly type: 'keep' | 'replace'
  /** Half-open range of old lines. */
  readonly oldStart: number
  readonly oldEnd: number
  /** Half-open range of new lines. */
  readonly newStart: number
  readonly newEnd: number
}

/** Most differences that are searched for; more and the differing middle is replaced as a whole. */
const MAX_DIFFERENCES = 1000

/**
 * The shortest way from one list of lines to another, by Myers' O(ND) search between the common head and
 * tail. Memory and time are bounded by {@link MAX_DIFFERENCES}, at the price of a longer script past it.
 *
 * @see Myers, An O(ND) Difference Algorithm and Its Variations (1986)
 */
export function editScript(before: readonly string[], after: readonly string[]): readonly Edit[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  const most = Math.min(before.length, after.length) - head
  while (tail < most && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++
  const oldMiddle = before.slice(head, before.length - tail)
  const newMiddle = after.slice(head, after.length - tail)
  const matches = matchingPairs(oldMiddle, newMiddle)
  const pairs: (readonly [number, number])[] = []
  for (let i = 0; i < head; i++) pairs.push([i, i])
  for (const [i, j] of matches) pairs.push([i + head, j + head])
  for (let i = tail; i > 0; i--) pairs.push([before.length - i, after.length - i])
  return editsBetween(pairs, before.length, after.length)
}

function editsBetween(pairs: readonly (readonly [number, number])[], olds: number, news: number): Edit[] {
  const edits: Edit[] = []
  let [i, j, at] = [0, 0, 0]
  while (i < olds || j < news) {
    const [nextOld, nextNew] = pairs[at] ?? [olds, news]
    if (i < nextOld || j < nextNew) {
      edits.push({ type: 'replace', oldStart: i, oldEnd: nextOld, newStart: j, newEnd: nextNew })
    }
    i = nextOld
    j = nextNew
    while (pairs[at]?.[0] === i && pairs[at]?.[1] === j) {
      at++
      i++
      j++
    }
    if (i > nextOld) {
      edits.push({ type: 'keep', oldStart: nextOld, oldEnd: i, newStart: nextNew, newEnd: j })
    }
  }
  return edits
}

/** Furthest-reaching paths by number of differences; the trace is walked back for the matched pairs. */
function matchingPairs(before: readonly string[], after: readonly string[]): (readonly [number, number])[] {
  const [n, m] = [before.length, after.length]
  if (n === 0 || m === 0) return []
  const limit = Math.min(n + m, MAX_DIFFERENCES)
  const trace: Int32Array[] = []
  let reach = new Int32Array(2 * limit + 3)
  const middle = limit + 1
  for (let d = 0; d <= limit; d++) {
    trace.push(reach.slice(middle - d - 1, middle + d + 2))
    const next = reach.slice()
    for (let k = -d; k <= d; k += 2) {
      const below = reach[middle + k + 1] ?? 0
      const beside = reach[middle + k - 1] ?? 0
      let x = k === -d || (k !== d && beside < below) ? below : beside + 1
      while (x < n && x - k < m && x - k >= 0 && before[x] === after[x - k]) x++
      next[middle + k] = x
      if (x >= n && x - k >= m) return walkBack(trace, d, n, m)
    }
    reach = next
  }
  return []
}

function walkBack(trace: readonly Int32Array[], end: number, n: number, m: number): [number, number][] {
  const pairs: [number, number][] = []
  let [x, y] = [n, m]
  for (let d = end; d > 0; d--) {
    const reach = trace[d] ?? new Int32Array(0)
    const at = (k: number): number => reach[k + d + 1] ?? 0
    const k = x - y
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1))
    const fromK = down ? k + 1 : k - 1
    const fromX = at(fromK)
    const fromY = fromX - fromK
    while (x > (down ? fromX : fromX + 1) && y > (down ? fromY + 1 : fromY)) pairs.push([--x, --y])
    x = fromX
    y = fromY
  }
  while (x > 0 && y > 0) pairs.push([--x, --y])
  return pairs.reverse()
}
