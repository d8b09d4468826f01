import { join } from 'node:path'
import { isRefusal, type Refusal } from '../core/refusal.js'
import type { Clock } from '../ports/clock.js'
import type { Engine } from '../ports/engine.js'
import type { Log } from '../ports/log.js'
import type { Sandbox } from '../ports/sandbox.js'
import type { MeasuredModel } from '../roles/worker/capabilities.js'
import { systemClock } from '../services/clock/system-clock.js'
import { detectEngine } from '../services/engine/detect-engine.js'
import { createLog } from '../services/observe/log.js'
import { detectSandbox } from '../services/sandbox/create-sandbox.js'
import type { Config } from './settings.js'

/** What this machine can run. */
export interface Capabilities {
  readonly engine?: Engine
  readonly sandbox?: Sandbox
  /** As the engine lists them, not measured yet: measuring loads them, which may take a minute. */
  readonly models: readonly MeasuredModel[]
}

/** Looks for an engine and a sandbox side by side; lacking one is no failure, the worker then takes less. */
export async function findCapabilities(
  components: { readonly clock: Clock; readonly log: Log },
  config: Config,
  wantsSandbox: boolean,
): Promise<Capabilities> {
  const [engine, sandbox] = await Promise.all([
    findEngine(components, config),
    wantsSandbox && config.sandbox !== 'none'
      ? findSandbox(components, config.sandbox, config.dataDir)
      : undefined,
  ])
  const listed = (await engine?.models()) ?? []
  return {
    models: listed.map((model) => ({ ...model, tokensPerS: 0 })),
    ...(engine === undefined ? {} : { engine }),
    ...(sandbox === undefined ? {} : { sandbox }),
  }
}

async function findEngine(
  components: { readonly clock: Clock; readonly log: Log },
  config: Config,
): Promise<Engine | undefined> {
  const found = await detectEngine(components, {
    setting: config.engine,
    ...(config.engineKey === undefined ? {} : { key: config.engineKey }),
    llama: {
      sequences: config.slots,
      ...(config.engineThreads === undefined ? {} : { threads: config.engineThreads }),
    },
  })
  if (!isRefusal(found)) return found
  components.log.warn('no-engine', { detail: found.detail, next: found.next })
  return undefined
}

async function findSandbox(
  components: { readonly clock: Clock; readonly log: Log },
  setting: 'auto' | 'bubblewrap' | 'deno',
  dataDir: string,
): Promise<Sandbox | undefined> {
  const found = await detectSandbox({
    log: components.log,
    cacheFolder: join(dataDir, 'sandbox'),
    ...(setting === 'auto' ? {} : { prefer: setting }),
  })
  if (!isRefusal(found)) return found
  components.log.warn('no-sandbox', { detail: found.detail, next: found.next })
  return undefined
}

/** What `edgecoder doctor` finds without starting a node. */
export interface Probed {
  readonly engine: Refusal | { readonly kind: string; readonly models: readonly string[] }
  readonly sandbox: Refusal | { readonly kind: string; readonly languages: readonly string[] }
}

/**
 * Looks for an engine and a sandbox as a worker would, and lets go of both.
 *
 * @param key for an engine that is a URL
 */
export async function probeCapabilities(engineSetting: string, key?: string): Promise<Probed> {
  const components = { clock: systemClock(), log: createLog({ level: 'error' }) }
  const [engine, sandbox] = await Promise.all([
    detectEngine(components, { setting: engineSetting, ...(key === undefined ? {} : { key }) }),
    detectSandbox({ log: components.log }),
  ])
  const found: Probed = {
    engine: isRefusal(engine)
      ? engine
      : { kind: engine.kind, models: (await engine.models()).map((model) => model.name) },
    sandbox: isRefusal(sandbox) ? sandbox : { kind: sandbox.kind, languages: sandbox.languages },
  }
  if (!isRefusal(engine)) await engine.close()
  if (!isRefusal(sandbox)) await sandbox.close()
  return found
}
