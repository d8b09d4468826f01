const DIGITS = Array.from({ length: 16 }, (_, digit) => digit.toString(16).charCodeAt(0))

/**
 * Bytes as a key: lower-case hexadecimal. The core has no Buffer. Made at once and not digit by digit, since
 * a text that was joined from many is slow to look up.
 *
 * @param bytes a digest or an id; at most a few hundred bytes
 */
export function hexOf(bytes: Uint8Array): string {
  const codes = new Array<number>(2 * bytes.length)
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    codes[2 * at] = DIGITS[byte >> 4] as number
    codes[2 * at + 1] = DIGITS[byte & 15] as number
  }
  return String.fromCharCode(...codes)
}
