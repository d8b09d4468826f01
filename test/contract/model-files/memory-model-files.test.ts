import { memoryModelFiles } from '../../helpers/memory-model-files.js'
import { modelFilesContract } from './contract.js'

modelFilesContract('memory', memoryModelFiles)
