import { readFileSync } from 'node:fs'

/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10
const MIB_KIB = 1024

/** Processor time that a process has used, all threads, in milliseconds. */
export function cpuMs(pid: number): number {
  return cpuMsIn(`/proc/${pid}/stat`)
}

/** Of it, the time of the thread that runs JavaScript. */
export function mainThreadCpuMs(pid: number): number {
  return cpuMsIn(`/proc/${pid}/task/${pid}/stat`)
}

function cpuMsIn(path: string): number {
  const stat = readFileSync(path, 'utf8')
  // The name, in brackets, may hold anything; utime and stime are the 12th and 13th words after it.
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(words[11]) + Number(words[12])) * TICK_MS
}

/** Memory that a process has in use, in MiB. */
export function rssMib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (line?.[1] === undefined) throw new Error(`process ${pid} shows no memory`)
  return Number(line[1]) / MIB_KIB
}
