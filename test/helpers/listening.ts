import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const LISTEN = '0A'

/** @returns `host:port` of each TCP socket that a process listens on, as the system has it */
export function listeningOf(pid: number): readonly string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '']
      } catch {
        return []
      }
    }),
  )
  return socketsAround(pid, ['tcp', 'tcp6'])
    .filter(({ state, inode }) => state === LISTEN && inodes.has(inode))
    .map(({ address }) => address)
}

/**
 * @returns `host:port` of each socket that anybody in the network of a process could be reached at by TCP or UDP;
 *   those on loopback too
 */
export function reachableAround(pid: number): readonly string[] {
  const tcp = socketsAround(pid, ['tcp', 'tcp6']).filter(({ state }) => state === LISTEN)
  return [...tcp, ...socketsAround(pid, ['udp', 'udp6'])].map(({ address }) => address)
}

interface Socket {
  readonly address: string
  readonly state: string
  readonly inode: string
}

function socketsAround(pid: number, tables: readonly string[]): readonly Socket[] {
  return tables.flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .map((row) => ({ address: addressOf(row[1] ?? ''), state: row[3] ?? '', inode: row[9] ?? '' })),
  )
}

/** `0100007F:1F90` → `127.0.0.1:8080`; IPv6 stays as it is, since none is expected. */
function addressOf(hex: string): string {
  const [host = '', port = ''] = hex.split(':')
  const shown = host.length === 8 ? [...Buffer.from(host, 'hex')].reverse().join('.') : host
  return `${shown}:${Number.parseInt(port, 16)}`
}
