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
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((row) => row[3] === LISTEN && inodes.has(row[9] ?? ''))
      .map((row) => addressOf(row[1] ?? '')),
  )
}

/** `0100007F:1F90` → `127.0.0.1:8080`; IPv6 stays as it is, since none is expected. */
function addressOf(hex: string): string {
  const [host = '', port = ''] = hex.split(':')
  const shown = host.length === 8 ? [...Buffer.from(host, 'hex')].reverse().join('.') : host
  return `${shown}:${Number.parseInt(port, 16)}`
}
