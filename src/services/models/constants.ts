/** Partial files that nobody went on with for so long are removed at the next start: 7 days. */
export const PARTIAL_MS = 7 * 24 * 60 * 60_000
/** Files of models that are looked at in the folder, the first by name; each is read whole at every start. */
export const MOST_FILES = 64
/** A server that sends nothing for so long is given up. */
export const SILENT_MS = 60_000
