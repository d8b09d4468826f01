/** This peer's Ed25519 identity key. */
export interface Signer {
  readonly peerId: string
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array
  /** @returns 64 bytes */
  sign(bytes: Uint8Array): Uint8Array
}
