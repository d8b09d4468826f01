import { ENVELOPE_AGE_MS } from '../wire/limits.js'

/** A clock that is set by a time service is never so far off. */
export const CLOCK_WARN_MS = 5_000
/** Of two that are off so far, one ahead and one behind, neither takes what the other has just signed. */
export const CLOCK_FAULT_MS = ENVELOPE_AGE_MS / 2
