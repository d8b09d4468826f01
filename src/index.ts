/** The door: run a node inside another program. */
import './services/network/node-20.js'

export { EdgeCoderError, type ErrorCode } from './core/errors.js'
export { isRefusal, type Refusal } from './core/refusal.js'
export { type Probed, probeCapabilities } from './node/capabilities.js'
export { type ConfigSources, type LoadedConfig, loadConfig } from './node/config.js'
export { createNode, type Node } from './node/create-node.js'
export { type NetworkFile, readNetworkFile } from './node/network-file.js'
export { identityFileOf } from './node/services.js'
export type { Coordinator } from './roles/coordinator/coordinator.js'
export type { Gateway } from './roles/gateway/gateway.js'
export type { Worker } from './roles/worker/worker.js'
export { type Identity, loadIdentity } from './services/identity/identity.js'
