// `npm run -s bench -- --only NAME --json`: whole runs of the built product; one JSON object a bench on stdout.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.mjs'
import { root, say, setup } from './setup.mjs'

/** A bench that takes longer hangs. */
const LONGEST_MS = 180_000
/** Of those that are to take long. */
const LONGEST_OF = { 'mesh-sim': 3_600_000 }
/** Waits until whoever started it is gone or lets it go; then ends the bench with all that it started. */
const WARDEN = 'read -r group; read -r _; [ -n "$group" ] && kill -s KILL -- "-$group"; rm -rf -- "$1"'

const folder = join(root, 'scripts', 'bench')
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.replace('.bench.ts', ''))
  .sort()

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const chosen = values.only === undefined ? names : [values.only]
if (values.only !== undefined && !names.includes(values.only)) {
  say(`bench: no bench "${values.only}". There are: ${names.join(', ')}`)
  process.exit(2)
}

setup()
build()
for (const name of chosen) await runOne(name)

async function runOne(name) {
  const dir = mkdtempSync(join(tmpdir(), 'edgecoder-bench-'))
  const warden = spawn('sh', ['-c', WARDEN, 'warden', dir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const bench = spawn(process.execPath, ['--import', 'tsx', join(folder, 'main.ts'), name], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 2],
    env: { ...process.env, BENCH_DIR: dir },
  })
  warden.stdin.write(`${bench.pid}\n`)
  const hangs = setTimeout(() => bench.kill('SIGKILL'), LONGEST_OF[name] ?? LONGEST_MS)
  let text = ''
  bench.stdout.on('data', (bytes) => {
    text += bytes
  })
  const [status] = await once(bench, 'close')
  clearTimeout(hangs)
  warden.stdin.end()
  await once(warden, 'exit')
  if (status === 0) print(JSON.parse(text))
  else {
    say(`bench: ${name} failed (exit ${status})`)
    process.exitCode = 1
  }
}

function print(result) {
  if (values.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  for (const [metric, value] of Object.entries(result.metrics))
    process.stdout.write(`${result.name}  ${metric}  ${value}\n`)
}
