import { resolve } from 'node:path'
import type { PolicyView } from '../core/policy/policy-view.js'
import { ModelPulls } from '../roles/worker/models/model-pulls.js'
import type { Worker } from '../roles/worker/worker.js'
import { ModelWatch } from '../services/engine/model-watch.js'
import { ModelFolder } from '../services/models/model-folder.js'
import { createModelSource } from '../services/models/model-source.js'
import { protocolIds } from '../wire/protocol-ids.js'
import { type Part, quick } from './lifecycle.js'
import type { Services } from './services.js'
import type { Config } from './settings.js'

/** Files of models on this machine: those that were fetched, and what the engine here runs. */
export function modelFolderOf({ dataDir, engine }: Config, { log, capabilities }: Services): ModelFolder {
  const engineFile = resolve(engine)
  return new ModelFolder({ log, ...capabilities }, { folder: resolve(dataDir, 'models'), engineFile })
}

interface Parts {
  readonly worker?: Worker
  readonly files: ModelFolder | undefined
  readonly view: () => PolicyView
}

/**
 * What a worker may fetch, and a look at its engine and its files now and then.
 *
 * @returns undefined = there is no worker here
 */
export function modelsOf(
  networkId: string,
  services: Services,
  { worker, files, view: policy }: Parts,
): { readonly pulls: ModelPulls; readonly part: Part } | undefined {
  if (worker === undefined || files === undefined) return undefined
  const { capabilities, clock, log } = services
  const { engine } = capabilities
  const learn = worker.learnModels.bind(worker)
  const watch = engine && new ModelWatch({ clock, log, engine, learn })
  const source = createModelSource(capabilities)
  const came = async () => watch?.look()
  const pulls = new ModelPulls({ ...services, policy, files, source, came }, protocolIds(networkId))
  // Once the worker is up, and not waited for: measuring loads each model, and files are read whole.
  const start = async () => {
    void watch?.look()
    void files.scan()
  }
  const stop = async () => {
    pulls.stop()
    files.stop()
    watch?.stop()
  }
  return { pulls, part: quick('models', start, stop) }
}
