// Installs what is missing and says what it does. Plain JavaScript of Node alone: nothing is installed yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const FLOOR = [20, 19]

/** System programs: the command that shows one is there, its Debian package, and what is lost without it. */
const PROGRAMS = [
  {
    command: 'bwrap',
    probe: ['--version'],
    package: 'bubblewrap',
    without: 'the slower Deno sandbox is used',
  },
  { command: 'prlimit', probe: ['--version'], package: 'util-linux', without: 'no sandbox can bound memory' },
  {
    command: 'python3',
    probe: ['--version'],
    package: 'python3',
    without: 'Python runs in the Deno sandbox only',
  },
  {
    command: 'git',
    probe: ['--version'],
    package: 'git',
    without: 'the wire format cannot be compared with the last one',
  },
]

/** What only tests want, and only root can use. */
const TEST_PROGRAMS = [
  { command: 'ip', probe: ['-V'], package: 'iproute2', without: 'no test has several hosts' },
  { command: 'nft', probe: ['--version'], package: 'nftables', without: 'no test loses packets' },
]

/** @returns exit status; output goes to the terminal's stderr so that stdout stays clean for data */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options })
  return result.status ?? 1
}

export function say(text) {
  process.stderr.write(`${text}\n`)
}

/**
 * Node new enough, packages as locked, system programs there. Quick when nothing is missing.
 *
 * @param forTests those programs too that only tests want
 */
export function setup({ forTests = false } = {}) {
  requireNode()
  installPackages()
  installPrograms(forTests && process.getuid?.() === 0 ? [...PROGRAMS, ...TEST_PROGRAMS] : PROGRAMS)
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > FLOOR[0] || (major === FLOOR[0] && minor >= FLOOR[1])) return
  say(`EdgeCoder needs Node ${FLOOR.join('.')} or newer; this is ${process.versions.node}.`)
  process.exit(2)
}

function installPackages() {
  const stamp = join(root, 'node_modules', '.cache', 'edgecoder-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  say('setup: installing npm packages as locked (npm install, about a minute)')
  // Not `npm ci`: it refuses a lock that lacks the binaries of operating systems its writer could not reach.
  for (
    let attempt = 1;
    run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']) !== 0;
    attempt++
  ) {
    if (attempt === 3) {
      say('setup: npm install failed three times; its output above says why.')
      process.exit(1)
    }
    say('setup: npm install failed, trying again')
  }
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, lock)
}

function installPrograms(programs) {
  const missing = programs.filter(({ command, probe }) => spawnSync(command, probe).status !== 0)
  if (missing.length === 0) return
  const names = [...new Set(missing.map((program) => program.package))]
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const apt = [...sudo, 'apt-get']
  const canInstall = spawnSync(apt[0], [...apt.slice(1), '--version']).status === 0
  if (canInstall) {
    say(`setup: installing system packages: ${names.join(' ')} (apt-get install)`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const quiet = { stdio: ['ignore', 'ignore', 2], env }
    run(apt[0], [...apt.slice(1), 'update', '-qq'], quiet)
    if (
      run(apt[0], [...apt.slice(1), 'install', '-y', '-qq', '--no-install-recommends', ...names], quiet) === 0
    )
      return
  }
  for (const program of missing) say(`setup: ${program.package} is missing: ${program.without}.`)
  say(`setup: install them when you can: sudo apt-get install -y ${names.join(' ')}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup()
