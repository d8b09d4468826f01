/**
 * Why bytes from outside were not taken. Structurally a refusal (core/refusal.ts); its codes stand in the
 * same table.
 */
export interface Malformed {
  readonly refused: true
  readonly code:
    | 'frame-too-large'
    | 'malformed'
    | 'out-of-bounds'
    | 'wrong-network'
    | 'wrong-type'
    | 'unknown-kind'
    | 'bad-signature'
    | 'stale-envelope'
  readonly detail: string
}

export function malformed(code: Malformed['code'], detail: string): Malformed {
  return { refused: true, code, detail }
}
