/** Both ends let a stream go on which less than this moved within {@link HEADWAY_MS}: 17 KiB/s. */
export const HEADWAY_BYTES = 512 * 1024
export const HEADWAY_MS = 30_000
/** Files that go out at the same time. By the least rate that terms allow, each still makes headway. */
export const MOST_UPLOADS = 3
/** Spans that may wait for their answer: while one is written to the disk the next one comes. */
export const SPANS_AT_ONCE = 2
/** Asks of a peer: 64 MiB/s, and what asks for less gets less. */
export const FRAMES_PER_SECOND = 64
/** A dial that takes longer, or an answer to whether the file is there, is given up. */
export const DIAL_MS = 10_000
export const ANSWER_MS = 10_000
/** How long the DHT is searched for lenders. */
export const SEARCH_MS = 5_000
/** Lenders asked at once whether they have a file. */
export const ASKED_AT_ONCE = 8
/** How long a fetch waits for lenders that are busy or gone, in all. */
export const WAITING_MS = 10 * 60_000
/** How soon one that is turned away may ask again. */
export const BUSY_MS = 10_000
/** How often it is looked which files are here, and what policy and terms say of them. */
export const LOOK_MS = 2_000
