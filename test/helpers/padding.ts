/** A field that no version knows, longer than any statement: what a peer may add to each message outside of signatures. */
export const PADDING = {
  no: 99,
  wireType: 2,
  data: Uint8Array.of(0xe0, 0xd4, 0x03, ...new Uint8Array(60_000)),
}
