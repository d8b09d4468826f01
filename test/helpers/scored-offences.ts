import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { NodeProcess } from './process-mesh.js'
import { until } from './until.js'

/** Offences of one kind that a node has counted. */
async function offences({ node }: NodeProcess, offence: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${node.adminPort}/metrics`)).text()
  return Number(new RegExp(`offences_total\\{offence="${offence}"\\} (\\d+)`).exec(page)?.[1] ?? 0)
}

/** Does it, and waits until the node has scored it. */
export async function expectScored(
  node: NodeProcess,
  offence: string,
  attack: () => Promise<unknown>,
): Promise<void> {
  const before = await offences(node, offence)
  await attack()
  await until(`${offence} to be scored`, async () => (await offences(node, offence)) > before)
  expect(node.isRunning).toBe(true)
}

/** What a node's process holds in memory. */
export function memoryMib({ pid }: NodeProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
