import { describe } from 'vitest'
import { createTinyCoder } from '../../helpers/tiny-coder.js'
import { engineContract } from './contract.js'

describe('embedded llama.cpp', () => {
  engineContract(async () => ({
    make: () => createTinyCoder(),
    generating: () => undefined,
    remove: async () => {},
  }))
})
