import { lstatSync, readlinkSync } from 'node:fs'

/** Where things are for the program. */
export const INSIDE = {
  /** The job's folder; home of the program. */
  work: '/tmp/work',
  submitted: '/run/submitted',
  runtime: '/run/runtime',
  stage: '/run/edgecoder',
} as const

/** What of the host the program sees beside /usr; all read-only. */
export interface Windows {
  /** Folder of the submitted files. */
  readonly files: string
  /** A runtime outside /usr. */
  readonly runtime: string | undefined
  /** Our own code for Deno. */
  readonly stage: string | undefined
}

/** All that a program may write, /tmp and its job's folder together; counts as memory. */
const TMP_BYTES = 64 * 1024 * 1024
const SHM_BYTES = 16 * 1024 * 1024
/** fd of the seccomp filter. */
const FILTER_FD = 4
const ENV = {
  HOME: INSIDE.work,
  PATH: '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C.UTF-8',
  TMPDIR: '/tmp',
  NO_COLOR: '1',
  PYTHONDONTWRITEBYTECODE: '1',
  DENO_DIR: '/tmp/deno',
  DENO_NO_UPDATE_CHECK: '1',
}

/** Words for bwrap(1) that build the room; the program comes after them. */
export function bubblewrapWalls(windows: Windows): string[] {
  return [
    ...['--unshare-all', '--unshare-user', '--disable-userns', '--die-with-parent', '--new-session'],
    ...['--cap-drop', 'ALL', '--uid', '65534', '--gid', '65534', '--hostname', 'sandbox'],
    ...[
      '--ro-bind',
      '/usr',
      '/usr',
      ...['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'].flatMap(rootEntry),
    ],
    // Where libraries are, on systems that keep some outside the usual folders.
    ...['--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'],
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--size', String(SHM_BYTES), '--tmpfs', '/dev/shm'],
    ...['--size', String(TMP_BYTES), '--tmpfs', '/tmp', '--dir', INSIDE.work],
    ...['--ro-bind', windows.files, INSIDE.submitted],
    ...(windows.runtime === undefined ? [] : ['--ro-bind', windows.runtime, INSIDE.runtime]),
    ...(windows.stage === undefined ? [] : ['--ro-bind', windows.stage, INSIDE.stage]),
    // bwrap's own tmpfs at / and /dev have no size bound.
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...Object.entries(ENV).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', INSIDE.work, '--seccomp', String(FILTER_FD)],
  ]
}

/** /bin and its like: a link into /usr on most systems, a folder on some. */
function rootEntry(name: string): string[] {
  const path = `/${name}`
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found?.isSymbolicLink() === true) return ['--symlink', readlinkSync(path), path]
  return found?.isDirectory() === true ? ['--ro-bind', path, path] : []
}
