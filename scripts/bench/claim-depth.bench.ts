export { claimDepth as bench } from './claim-depth.js'
