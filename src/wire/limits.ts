/** Bounds on what crosses the wire; bounds on single fields stand in the .proto files beside them. */

/** Largest control frame, either way. A batch of 256 headers is about 100 KiB. */
export const CONTROL_FRAME_BYTES = 512 * 1024
/** Largest data frame: one 128 KiB chunk and its head. */
export const DATA_FRAME_BYTES = 160 * 1024
/** Bytes in one payload or result chunk; small enough to interleave tasks on one stream. */
export const CHUNK_BYTES = 128 * 1024
/** Bytes of a model's file that are asked for at once: several chunks, so that a slow line is kept busy. */
export const SPAN_BYTES = 1024 * 1024
/** Largest file of a model: 1 TiB. */
export const MODEL_BYTES = 2 ** 40
/** Largest payload of one task (prompt, or all its files). */
export const PAYLOAD_BYTES = 8 * 1024 * 1024
/** Largest result of one task. */
export const RESULT_BYTES = 16 * 1024 * 1024
/** Largest gossip message we send or take (libp2p loses those over 4 MiB without a word). */
export const GOSSIP_BYTES = 64 * 1024
/** Largest evidence against a worker; in its envelope it still fits {@link GOSSIP_BYTES}. */
export const SUSPENSION_BYTES = 60 * 1024
/** Headers in one signed order. */
export const ORDER_HEADERS = 256
/** How old an envelope may be, either way, when freshness is asked for. */
export const ENVELOPE_AGE_MS = 10 * 60 * 1000
/** Streams of one protocol a peer may hold open to us; one is normal, a second during a reconnect. */
export const STREAMS_PER_PEER = 4

/** Largest frame between coordinators: a mebibyte of entries, with a checkpoint and proof. */
export const LEDGER_FRAME_BYTES = 1_280 * 1024
/** Largest evidence as a file. Sent to others it must fit their frame. */
export const EVIDENCE_BYTES = 64 * 1024 * 1024
/** Largest ledger entry: entry bundles of tlog-tiles give its length 16 bits. */
export const ENTRY_BYTES = 65_535
/** Largest signed order within a hold entry: about 100 headers. Gateways sign orders that fit. */
export const HELD_ORDER_BYTES = 48 * 1024
/** Tasks in one hold entry. */
export const HOLD_ROWS = 256
/** Largest signed statement in an entry, of kinds that have one each (receipt, acceptance, grant). */
export const STATEMENT_BYTES = 8 * 1024
/** Largest signed policy message, or checkpoint with cosignatures and proof. */
export const LONG_STATEMENT_BYTES = 32 * 1024
/** Largest frame by which a registration token is shown, and answered with a reason. */
export const ENROLLMENT_FRAME_BYTES = 2 * 1024
/** Largest frame of policy messages: 128 KiB of them, or one more that does not fit. */
export const POLICY_FRAME_BYTES = 192 * 1024
/** Accounts in one part of an issuance; a window has as many parts as it needs. */
export const ISSUE_ROWS = 512
/** Logs that one issuance window counts. */
export const ISSUANCE_LOGS = 256
/** Gateways that may order for one account. */
export const ACCOUNT_GATEWAYS = 8
/** Largest amount in a ledger entry, in microcredits: 9.2 · 10¹² credits. */
export const MOST_MICROCREDITS = 2n ** 63n - 1n
/** Keys that may hold one power of the signed policy: more people than anybody brings together. */
export const POWER_KEYS = 16
/** Coordinators in one policy message: with the rest of a genesis it must fit {@link LONG_STATEMENT_BYTES}. */
export const POLICY_COORDINATORS = 64
/** Gateways in one policy message, for the same reason. */
export const POLICY_GATEWAYS = 128
/** Models that one message of a signed policy lists: with their sources they fit into one envelope. */
export const POLICY_MODELS = 48
