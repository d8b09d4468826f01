import { describe, expect, it } from 'vitest'
import { DEFAULT_LIVENESS, judgeLiveness } from '../../../../src/core/task/liveness.js'
import { CALM, DEFAULT_STORM, judgeStorm, type Storm } from '../../../../src/core/task/storm-guard.js'
import { createWatch, type LivenessChange, type Watch } from '../../../../src/core/task/watch.js'

const SWEEP_MS = 500
const { heartbeatMs: BEAT_MS, idle: IDLE } = DEFAULT_LIVENESS

describe('liveness', () => {
  it.each([
    ['leased', { lastHeardMs: 1_000, leasedMs: 0 }, [0, 3_999, 4_000, 7_999, 8_000, 11_999, 12_000]],
    ['leased since', { lastHeardMs: 0, leasedMs: 1_000 }, [0, 3_999, 4_000, 7_999, 8_000, 11_999, 12_000]],
    ['idle', { lastHeardMs: 1_000 }, [0, 7_999, 8_000, 10_999, 11_000, 14_999, 15_000]],
  ])('of who is %s goes from live over quiet and unknown to lost as silence lasts', (_, contact, times) => {
    const at = (ms: number) => judgeLiveness(contact, DEFAULT_LIVENESS, 1_000 + ms)
    expect(times.map(at)).toEqual(['live', 'live', 'quiet', 'quiet', 'unknown', 'unknown', 'lost'])
  })

  it('of a closed link is quiet through a reconnect, then lost', () => {
    const at = (ms: number) =>
      judgeLiveness({ lastHeardMs: 1_000, closedMs: 1_500 }, DEFAULT_LIVENESS, 1_500 + ms)
    expect([0, 1_499, 1_500].map(at)).toEqual(['quiet', 'quiet', 'lost'])
  })

  it('is unknown instead of lost while excused', () => {
    expect(judgeLiveness({ lastHeardMs: 0 }, DEFAULT_LIVENESS, 60_000, 60_001)).toBe('unknown')
    expect(judgeLiveness({ lastHeardMs: 0 }, DEFAULT_LIVENESS, 60_001, 60_001)).toBe('lost')
  })
})

describe('storm guard', () => {
  const judge = (storm: Storm, workers: number, away: number, nowMs: number, lately = away) =>
    judgeStorm(storm, { workers, away, lately }, DEFAULT_STORM, nowMs)

  it('begins at 40 % and at least three', () => {
    expect(judge(CALM, 100, 39, 0).state).toBe('calm')
    expect(judge(CALM, 100, 40, 0)).toEqual({ state: 'storm', sinceMs: 0, worst: 40 })
    expect(judge(CALM, 2, 2, 0).state).toBe('calm')
    expect(judge(CALM, 3, 3, 0).state).toBe('storm')
    expect(judge(CALM, 0, 0, 0).state).toBe('calm')
  })

  it('counts only silences that began together', () => {
    expect(judge(CALM, 100, 60, 0, 39).state).toBe('calm')
  })

  it('ends when most of those it took have returned', () => {
    const storm: Storm = { state: 'storm', sinceMs: 0, worst: 60 }
    expect(judge(storm, 100, 21, 5_000)).toBe(storm)
    expect(judge(storm, 100, 20, 5_000)).toEqual({ state: 'calm', endedMs: 5_000 })
  })

  it('measures the return against its worst time', () => {
    expect(judge({ state: 'storm', sinceMs: 0, worst: 40 }, 100, 90, 100)).toMatchObject({ worst: 90 })
  })

  it('ends after its longest time, and leaves as long before the next', () => {
    const storm: Storm = { state: 'storm', sinceMs: 0, worst: 60 }
    const ended = judge(storm, 100, 60, DEFAULT_STORM.longestMs)
    expect(ended).toMatchObject({ state: 'calm', notBeforeMs: 2 * DEFAULT_STORM.longestMs })
    expect(judge(ended, 100, 60, 2 * DEFAULT_STORM.longestMs - 1).state).toBe('calm')
    expect(judge(ended, 100, 60, 2 * DEFAULT_STORM.longestMs).state).toBe('storm')
  })
})

/** Workers that beat (at different moments) and are cut off from the coordinator from one time to another. */
class Mesh {
  readonly watch: Watch = createWatch()
  readonly changes: (LivenessChange & { readonly atMs: number })[] = []
  stormMs = 0
  #nowMs = 0

  constructor(
    readonly workers: number,
    readonly cut: (index: number) => {
      readonly fromMs: number
      readonly toMs: number
      readonly closes: boolean
    },
    readonly leased: (index: number) => boolean = () => true,
  ) {
    for (let index = 0; index < workers; index += 1) {
      this.watch.opened(`w${index}`, 0)
      if (leased(index)) this.watch.leased(`w${index}`, 0)
    }
  }

  run(untilMs: number): this {
    for (; this.#nowMs < untilMs; this.#nowMs += 100) {
      for (let index = 0; index < this.workers; index += 1) this.#act(index)
      if (this.#nowMs % SWEEP_MS !== 0) continue
      for (const change of this.watch.sweep(this.#nowMs)) this.changes.push({ ...change, atMs: this.#nowMs })
      if (this.watch.storm().state === 'storm') this.stormMs += SWEEP_MS
    }
    return this
  }

  lost(): readonly { readonly worker: string; readonly atMs: number }[] {
    return this.changes.filter(({ to }) => to === 'lost').map(({ worker, atMs }) => ({ worker, atMs }))
  }

  #act(index: number): void {
    const { fromMs, toMs, closes } = this.cut(index)
    const now = this.#nowMs
    if (now >= fromMs && now < toMs) {
      if (closes && now === fromMs) this.watch.closed(`w${index}`, now)
      return
    }
    if (closes && now === toMs) this.watch.opened(`w${index}`, now)
    if ((now + index * 137) % (this.leased(index) ? BEAT_MS : IDLE.heartbeatMs) < 100)
      this.watch.heard(`w${index}`, now)
  }
}

const never = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.POSITIVE_INFINITY, closes: false }

describe('watch', () => {
  it('leaves a beating mesh alone, idle or not', () => {
    expect(
      new Mesh(
        50,
        () => never,
        (index) => index % 2 === 0,
      ).run(60_000).changes,
    ).toEqual([])
  })

  it.each([4_900, 7_900])('loses a worker that was silent for %d ms when it was given work', (leasedMs) => {
    const watch = createWatch()
    watch.opened('w0', 0)
    const changes: [string, number][] = []
    for (let nowMs = 0; nowMs < 30_000; nowMs += 100) {
      if (nowMs === leasedMs) watch.leased('w0', nowMs)
      for (const { to } of watch.sweep(nowMs)) changes.push([to, nowMs])
    }
    expect(changes.map(([to]) => to)).toEqual(['quiet', 'unknown', 'lost'])
    expect(changes.at(-1)?.[1]).toBe(leasedMs + DEFAULT_LIVENESS.lostMs)
  })

  it('loses a single closed worker within two seconds', () => {
    const mesh = new Mesh(20, (index) =>
      index === 3 ? { fromMs: 10_000, toMs: 1e9, closes: true } : never,
    ).run(30_000)
    expect(mesh.lost().map(({ worker }) => worker)).toEqual(['w3'])
    expect(mesh.lost()[0]?.atMs).toBeLessThanOrEqual(12_000)
  })

  it.each([true, false])('loses a single silent worker within fifteen seconds (leased: %s)', (leased) => {
    const mesh = new Mesh(
      20,
      (index) => (index === 3 ? { fromMs: 10_000, toMs: 1e9, closes: false } : never),
      () => leased,
    ).run(40_000)
    expect(mesh.lost().map(({ worker }) => worker)).toEqual(['w3'])
    expect(mesh.lost()[0]?.atMs).toBeLessThanOrEqual(25_000)
    expect(mesh.changes.map(({ to }) => to)).toEqual(['quiet', 'unknown', 'lost'])
  })

  it('keeps a worker that reconnects at once', () => {
    const mesh = new Mesh(20, (index) =>
      index === 3 ? { fromMs: 10_000, toMs: 11_000, closes: true } : never,
    )
    expect(mesh.run(40_000).lost()).toEqual([])
  })

  it.each([true, false])('evicts nobody when 60 %% are cut off for 60 s (links closed: %s)', (closes) => {
    const mesh = new Mesh(100, (index) =>
      index < 60 ? { fromMs: 10_000, toMs: 70_000, closes } : never,
    ).run(120_000)
    expect(mesh.lost()).toEqual([])
    expect(mesh.stormMs).toBeGreaterThan(50_000)
    expect(mesh.watch.storm().state).toBe('calm')
    expect(mesh.watch.liveness('w0')).toBe('live')
  })

  it.each([
    [0, 137],
    [1, 137],
    // All have beaten right before they are cut off.
    [1, 0],
  ])('keeps the few that are leased when all are cut off in silence (%d, %d)', (share, apartMs) => {
    const watch = createWatch()
    const cutMs = 20_100
    for (let index = 0; index < 100; index++) watch.opened(`w${index}`, 0)
    for (let index = 0; index < 1 + 9 * share; index++) watch.leased(`w${index}`, 0)
    const lost: string[] = []
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
      for (let index = 0; index < 100 && nowMs < cutMs; index++) {
        const paceMs = index < 1 + 9 * share ? BEAT_MS : IDLE.heartbeatMs
        if ((nowMs + index * apartMs) % paceMs < 100) watch.heard(`w${index}`, nowMs)
      }
      for (const { worker, to } of watch.sweep(nowMs)) if (to === 'lost') lost.push(worker)
    }
    expect(lost).toEqual([])
    expect(watch.storm().state).toBe('storm')
  })

  it('evicts those who never return, but not in the storm nor at once after it', () => {
    const mesh = new Mesh(100, (index) => {
      if (index < 5) return { fromMs: 10_000, toMs: 1e9, closes: true }
      return index < 60 ? { fromMs: 10_000, toMs: 40_000, closes: true } : never
    }).run(90_000)
    expect(mesh.lost()).toHaveLength(5)
    for (const { atMs } of mesh.lost()) {
      expect(atMs).toBeGreaterThanOrEqual(40_000 + DEFAULT_STORM.settleMs)
      expect(atMs).toBeLessThanOrEqual(40_000 + DEFAULT_STORM.settleMs + SWEEP_MS)
    }
  })

  it('evicts all that died when the storm has lasted its longest, and works on with the rest', () => {
    const mesh = new Mesh(10, (index) =>
      index < 6 ? { fromMs: 10_000, toMs: 1e9, closes: true } : never,
    ).run(200_000)
    expect(mesh.lost()).toHaveLength(6)
    const endsMs = 10_000 + DEFAULT_STORM.longestMs + DEFAULT_STORM.settleMs
    for (const { atMs } of mesh.lost()) expect(atMs).toBeLessThanOrEqual(endsMs + 2 * SWEEP_MS)
    expect(mesh.watch.liveness('w9')).toBe('live')
  })

  it('evicts one that dies in the calm after a storm as quickly as ever', () => {
    const mesh = new Mesh(100, (index) => {
      if (index === 99) return { fromMs: 50_000, toMs: 1e9, closes: true }
      return index < 60 ? { fromMs: 10_000, toMs: 40_000, closes: true } : never
    }).run(60_000)
    expect(mesh.lost()).toEqual([{ worker: 'w99', atMs: 51_500 }])
  })

  it('is lenient with leases in a storm and until those away have had time to return', () => {
    const mesh = new Mesh(10, (index) => (index < 6 ? { fromMs: 10_000, toMs: 40_000, closes: true } : never))
    expect(mesh.watch.lenient(0)).toBe(false)
    mesh.run(20_000)
    expect(mesh.watch.lenient(20_000)).toBe(true)
    mesh.run(41_000)
    expect(mesh.watch.storm().state).toBe('calm')
    expect(mesh.watch.lenient(41_000)).toBe(true)
    expect(mesh.watch.lenient(41_000 + DEFAULT_STORM.settleMs)).toBe(false)
  })

  it('forgets who said goodbye, and takes no goodbye for a storm', () => {
    const watch = createWatch()
    for (let index = 0; index < 10; index += 1) watch.opened(`w${index}`, 0)
    for (let index = 0; index < 8; index += 1) watch.forget(`w${index}`)
    expect(watch.sweep(100)).toEqual([])
    expect(watch.storm().state).toBe('calm')
    expect(watch.liveness('w0')).toBeUndefined()
  })
})
