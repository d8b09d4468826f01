/** One thing that happens in a log, as far as prices are concerned. */
export interface PriceEvent {
  readonly what: 'hold' | 'settle' | 'release'
  readonly timeMs: number
  readonly worker?: string
  readonly work?: bigint
  readonly runMs?: number
}

interface Window {
  readonly number: number
  readonly price: bigint
  readonly settles: { readonly worker: string; readonly work: bigint; readonly runMs: number }[]
}

/**
 * Prices in the plainest words: all windows one by one, also those in which nothing happened, each counted
 * from the list of all that ever happened. Shares nothing with the product.
 */
export function naivePrices(events: readonly PriceEvent[], beginMs: number, windowMs: number): Window[] {
  const windows: Window[] = [{ number: Math.floor(beginMs / windowMs), price: 1_000_000n, settles: [] }]
  let open = 0
  for (const { what, timeMs, worker = '', work = 0n, runMs = 0 } of events) {
    const number = Math.floor(timeMs / windowMs)
    if (what !== 'release') {
      // The first one closes with what it saw; those after it are empty.
      for (let isFirst = true; last(windows).number < number; isFirst = false) {
        const now = last(windows)
        const price = isFirst ? closed(windows, open) : open > 0 ? now.price : lower(now.price)
        windows.push({ number: now.number + 1, price, settles: [] })
      }
    }
    if (what === 'hold') open++
    else open--
    if (what === 'settle') last(windows).settles.push({ worker, work, runMs: Math.max(1, runMs) })
  }
  return windows

  function closed(all: readonly Window[], waiting: number): bigint {
    const { price, settles } = last(all)
    if (settles.length === 0) return price
    const done = settles.reduce((sum, each) => sum + each.work, 0n)
    const backlog = Math.min(waiting, settles.length)
    const demand = done + (done * BigInt(backlog)) / BigInt(settles.length)
    const workers = new Set(settles.map((each) => each.worker))
    let capacity = 0n
    for (const each of workers) capacity += couldDo(all, each)
    const target = (capacity * 8n) / 10n
    if (target === 0n) return price
    let over = demand - target
    if (over > target) over = target
    let step = (price * over) / (target * 8n)
    if (over > 0n && step === 0n) step = 1n
    return bounded(price + step)
  }

  function couldDo(all: readonly Window[], worker: string): bigint {
    const mine = (window: Window) => window.settles.filter((each) => each.worker === worker)
    const sum = (window: Window) => mine(window).reduce((total, each) => total + each.work, 0n)
    const now = last(all)
    let peak = 0n
    let before: Window | undefined
    for (const window of all) {
      if (window === now || mine(window).length > 0) {
        if (before !== undefined) {
          const best = sum(before) > peak ? sum(before) : peak
          peak = best
          for (let at = before.number; at < window.number; at++) peak = (peak * 63n) / 64n
        }
        before = window
      }
    }
    const work = sum(now)
    const ran = mine(now).reduce((total, each) => total + BigInt(each.runMs), 0n)
    const stretched = (work * BigInt(windowMs)) / ran
    const most = [work, stretched < 4n * work ? stretched : 4n * work, peak]
    return most.reduce((a, b) => (a > b ? a : b))
  }
}

function lower(price: bigint): bigint {
  return bounded(price - price / 8n)
}

function bounded(price: bigint): bigint {
  if (price < 250_000n) return 250_000n
  return price > 4_000_000n ? 4_000_000n : price
}

function last<T>(all: readonly T[]): T {
  return all[all.length - 1] as T
}
