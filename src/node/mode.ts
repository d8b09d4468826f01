import type { RUNTIME_MODES } from './settings.js'

/** What one process does. */
export interface Mode {
  readonly coordinator: boolean
  readonly gateway: boolean
  readonly worker: boolean
  /** A worker without one takes `chat` only. */
  readonly sandbox: boolean
}

const NOTHING: Mode = { coordinator: false, gateway: false, worker: false, sandbox: false }

/** EDGE_RUNTIME_MODE → roles. @see docs/OPERATING.md */
export const MODES: Readonly<Record<(typeof RUNTIME_MODES)[number], Mode>> = {
  worker: { ...NOTHING, worker: true, sandbox: true },
  inference: { ...NOTHING, worker: true },
  coordinator: { ...NOTHING, coordinator: true },
  gateway: { ...NOTHING, gateway: true },
  'control-plane': { ...NOTHING, gateway: true },
  'all-in-one': { coordinator: true, gateway: true, worker: true, sandbox: true },
}

/** The names of the roles of a mode, for people. */
export function rolesOf(mode: Mode): readonly string[] {
  return (['coordinator', 'gateway', 'worker'] as const).filter((role) => mode[role])
}
