import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const BLOCK_BYTES = 4096
/** LevelDB opens again with 20 MiB, and has two logs and a table meanwhile. */
const SIZE_MIB = 72

/** A disk of its own for one folder, that can be filled to the last block and emptied again. */
export interface SmallDisk {
  /** @param leftBytes what stays free */
  fill(leftBytes: number): void
  clear(): void
  remove(): void
}

/** @returns undefined when this machine does not let us mount; the test must then say so */
export function mountSmallDisk(path: string): SmallDisk | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m,mode=700`, 'tmpfs', path])
  if (mount.status !== 0) return undefined
  const ballast = join(path, 'ballast')
  return {
    fill(leftBytes) {
      const file = openSync(ballast, 'w')
      try {
        const { bavail, bsize } = statfsSync(path)
        writeSync(file, Buffer.alloc(Math.max(0, bavail * bsize - Math.max(leftBytes, BLOCK_BYTES))))
      } finally {
        closeSync(file)
      }
    },
    clear: () => rmSync(ballast, { force: true }),
    remove: () => void spawnSync('umount', ['-l', path]),
  }
}
