// Compiles src and cli to dist. Incremental: a second run with no change takes a second or two.
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, run, say } from './setup.mjs'

export function build() {
  const main = join(root, 'dist', 'cli', 'main.js')
  // Without its output, an incremental compiler believes that there is nothing to do.
  if (!existsSync(main)) rmSync(join(root, 'node_modules/.cache/tsc/build.tsbuildinfo'), { force: true })
  if (
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']) !== 0
  ) {
    say('build: the sources do not compile; see above.')
    process.exit(1)
  }
  chmodSync(main, 0o755)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
