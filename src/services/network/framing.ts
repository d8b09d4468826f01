/** Most bytes of a frame's length prefix: 28 bits, 256 MiB. */
const LENGTH_BYTES = 4
const FIRST_ROOM_BYTES = 4096
const NOTHING: Uint8Array = new Uint8Array(0)

/** Takes the frames of one stream apart, however the stream cut them. */
export interface FrameReader {
  /**
   * Hands over every frame that is whole now, in order. A frame is a view into the stream's bytes where it
   * came in
   * one piece, so keeping it keeps its neighbours.
   *
   * @returns why the stream breaks the framing, or undefined; after a reason nothing more may be read
   */
  read(chunk: Uint8Array): string | undefined
}

/**
 * Frames on the wire: unsigned varint length, then that many bytes.
 *
 * @param maxFrameBytes checked as soon as the length is read, before anything of the frame is kept
 * @param take returns false to stop reading
 * @see protocols/README.md
 */
export function createFrameReader(maxFrameBytes: number, take: (frame: Uint8Array) => boolean): FrameReader {
  let length = 0
  let lengthBytes = 0
  let lengthKnown = false
  /** Room for the start of a frame that came in pieces; grows as they come, not by what the length claims. */
  let gathered = NOTHING
  let have = 0

  /** @returns why it is no good, or undefined */
  const readLength = (byte: number): string | undefined => {
    length += (byte & 0x7f) * 2 ** (7 * lengthBytes)
    lengthBytes++
    if (length > maxFrameBytes) return `a frame of over ${maxFrameBytes} bytes`
    lengthKnown = byte < 0x80
    if (!lengthKnown && lengthBytes === LENGTH_BYTES) return 'a frame length of too many bytes'
    if (lengthKnown && byte === 0 && lengthBytes > 1) return 'a frame length in more bytes than it needs'
    return undefined
  }

  const emit = (frame: Uint8Array): boolean => {
    length = 0
    lengthBytes = 0
    lengthKnown = false
    have = 0
    gathered = NOTHING
    return take(frame)
  }

  const gather = (piece: Uint8Array): void => {
    if (have + piece.length > gathered.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(FIRST_ROOM_BYTES, 2 * (have + piece.length))))
      grown.set(gathered.subarray(0, have))
      gathered = grown
    }
    gathered.set(piece, have)
    have += piece.length
  }

  return {
    read(chunk) {
      let at = 0
      while (at < chunk.length || (lengthKnown && length === 0)) {
        if (!lengthKnown) {
          const broken = readLength(chunk[at++] ?? 0)
          if (broken !== undefined) return broken
          continue
        }
        const piece = chunk.subarray(at, at + length - have)
        at += piece.length
        const whole = piece.length === length
        if (!whole) gather(piece)
        if (!whole && have < length) return undefined
        if (!emit(whole ? piece : gathered)) return undefined
      }
      return undefined
    },
  }
}

/** Bytes that the length of a frame takes. */
export function prefixBytes(frameBytes: number): number {
  if (frameBytes < 2 ** 7) return 1
  if (frameBytes < 2 ** 14) return 2
  return frameBytes < 2 ** 21 ? 3 : LENGTH_BYTES
}

/** The length of a frame as it goes before it. */
export function lengthPrefix(frameBytes: number): Uint8Array {
  const made = Buffer.allocUnsafe(prefixBytes(frameBytes))
  writeLength(made, 0, frameBytes)
  return made
}

/** Puts frames one after the other, each with its length, into one piece of memory. */
export function writeFrames(frames: readonly Uint8Array[]): Uint8Array {
  let totalBytes = 0
  for (const frame of frames) totalBytes += prefixBytes(frame.length) + frame.length
  const made = Buffer.allocUnsafe(totalBytes)
  let at = 0
  for (const frame of frames) {
    at = writeLength(made, at, frame.length)
    made.set(frame, at)
    at += frame.length
  }
  return made
}

/** @returns where it ends */
function writeLength(into: Uint8Array, start: number, length: number): number {
  let at = start
  let rest = length
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at++] = rest
  return at
}
