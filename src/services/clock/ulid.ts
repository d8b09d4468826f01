const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const TIME_CHARS = 10
const CHANCE_CHARS = 16

/**
 * Writes a ULID: ten characters of time, sixteen of chance.
 *
 * @param nowMs wall-clock milliseconds, below 2^48
 * @param chance at least 16 bytes; the low five bits of each are used
 */
export function ulid(nowMs: number, chance: Uint8Array): string {
  let time = ''
  let rest = Math.max(0, Math.floor(nowMs))
  for (let i = 0; i < TIME_CHARS; i++) {
    time = CROCKFORD.charAt(rest % 32) + time
    rest = Math.floor(rest / 32)
  }
  let tail = ''
  for (let i = 0; i < CHANCE_CHARS; i++) tail += CROCKFORD.charAt((chance[i] ?? 0) & 31)
  return time + tail
}
