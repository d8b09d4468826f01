/** "nobody": owns nothing on the host. */
const NOBODY = 65534

/**
 * The host user that strangers' code runs as when we are root, so that even out of its sandbox it would
 * own nothing. An ordinary user cannot change to another: undefined, and the program runs as we do.
 */
export function outsider(): { readonly uid: number; readonly gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined
}
