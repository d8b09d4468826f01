import { rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** Leaves the admin API's address in the data folder, where the CLI, from wherever it is called, looks for it. */
export async function writeAdminFile(dataDir: string, url: string): Promise<void> {
  const path = join(dataDir, 'admin.json')
  const tokenFile = resolve(dataDir, 'admin-token')
  await writeFile(`${path}.new`, JSON.stringify({ url, tokenFile, pid: process.pid }), { mode: 0o600 })
  await rename(`${path}.new`, path)
}
