// `npm run quickstart`: from a bare clone to a running mesh that has solved a task. `-- --once` stops it at the end.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build } from './build.mjs'
import { root, say, setup } from './setup.mjs'

say('EdgeCoder quickstart: sets up what is missing, builds, and runs a local mesh.\n')
setup()
build()
const cli = join(root, 'dist', 'cli', 'main.js')
const { status } = spawnSync(process.execPath, [cli, 'quickstart', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.exitCode = status ?? 1
