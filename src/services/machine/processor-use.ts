import { cpus } from 'node:os'
import { readTree } from '../sandbox/process-tree.js'

interface Sample {
  readonly busyMs: number
  readonly totalMs: number
  readonly ownMs: number
}

/** A look this soon after the one before says nothing: the kernel counts in hundredths of a second. */
const LEAST_MS = 500

/** Tells what other programs use of all cores. */
export class ProcessorUse {
  #before: Sample | undefined
  #last: number | undefined

  /** @returns 0…1 since the look before; undefined at the first one */
  othersRatio(): number | undefined {
    const now = sample()
    const before = this.#before
    if (before !== undefined && now.totalMs - before.totalMs < LEAST_MS) return this.#last
    this.#before = now
    if (before === undefined) return undefined
    const totalMs = now.totalMs - before.totalMs
    // A child that ended between two looks may be counted twice or not at all.
    const ownMs = Math.max(0, now.ownMs - before.ownMs)
    const othersMs = Math.max(0, now.busyMs - before.busyMs - ownMs)
    this.#last = Math.min(1, othersMs / totalMs)
    return this.#last
  }
}

function sample(): Sample {
  let busyMs = 0
  let totalMs = 0
  for (const { times } of cpus()) {
    const { user, nice, sys, irq, idle } = times
    busyMs += user + nice + sys + irq
    totalMs += user + nice + sys + irq + idle
  }
  return { busyMs, totalMs, ownMs: readTree(process.pid).cpuMs }
}
