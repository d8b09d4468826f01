/** A worker that is killed while a program runs: prints "running" and waits. Arguments: sandbox kind, marker. */
import { isRefusal } from '../../../src/core/refusal.js'
import { createBubblewrapSandbox } from '../../../src/services/sandbox/bubblewrap-sandbox.js'
import { createDenoSandbox } from '../../../src/services/sandbox/deno-sandbox.js'
import { memoryLog } from '../../helpers/memory-log.js'
import { jobOf } from './bench-room.js'

const [kind, marker = ''] = process.argv.slice(2)
const sandbox =
  kind === 'deno' ? await createDenoSandbox({ log: memoryLog() }) : await createBubblewrapSandbox()
if (typeof sandbox === 'string') throw new Error(sandbox)
const program = {
  command: ['node', 'a.js', marker],
  files: { 'a.js': 'console.log("on"); setInterval(() => {}, 1e6)' },
  limits: { wallMs: 600_000 },
}
const report = await sandbox.run(jobOf(program), AbortSignal.timeout(600_000), () => console.log('running'))
throw new Error(isRefusal(report) ? report.detail : report.verdict)
