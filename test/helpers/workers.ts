import type { ModelProfile, WorkerProfile } from '../../src/core/scheduler/views.js'

export function model(parts: Partial<ModelProfile> = {}): ModelProfile {
  return { name: 'coder', contextTokens: 8_192, tokensPerS: 30, warm: true, ...parts }
}

export function workerProfile(peerId: string, parts: Partial<WorkerProfile> = {}): WorkerProfile {
  return {
    peerId,
    agentId: `agent-of-${peerId}`,
    engine: 'llama-cpp',
    sandbox: 'bubblewrap',
    languages: ['javascript', 'python'],
    models: [model()],
    priceFloorMicrocredits: 0n,
    ...parts,
  }
}
