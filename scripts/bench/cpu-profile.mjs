// Preloaded into a node process under profile: SIGUSR2 begins a CPU profile, the next one ends and writes it.
import { renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'

const folder = process.env.BENCH_PROFILE
const session = new Session()
session.connect()
session.post('Profiler.enable')
let running = false
let count = 0

process.on('SIGUSR2', () => {
  running = !running
  if (running) {
    session.post('Profiler.start')
    return
  }
  session.post('Profiler.stop', (error, { profile } = {}) => {
    if (error) process.stderr.write(`cpu profile: ${error.message}\n`)
    else {
      const name = join(folder, `${process.pid}-${++count}.cpuprofile`)
      writeFileSync(`${name}.part`, JSON.stringify(profile))
      // Whoever waits for it sees it when it is whole.
      renameSync(`${name}.part`, name)
    }
  })
})
