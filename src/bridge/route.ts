import { z } from 'zod'
import type { Scope } from './schemas/key.js'

/**
 * One row of a table of routes: what a request may hold and what is answered. The server mounts it, the
 * OpenAPI document is made from it and the client of the CLI calls it.
 */
export interface Route<
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post'
  /** Below the table's prefix; parameters as `{name}`. */
  readonly path: string
  readonly summary: string
  /** The scope the caller's key must have; `key` = any valid key, `nothing` = open to all. */
  readonly needs: Scope | 'key' | 'nothing'
  readonly params: P
  readonly query: Q
  /** {@link NO_BODY} where none is read. */
  readonly body: B
  readonly response: R
  /** Headers it reads beside those of every request, for the document. */
  readonly headers?: z.ZodObject
  /** The last parameter may hold "/" (model names do). */
  readonly tail?: boolean
  /** Answers 201 when something was made, 200 when it was there already. */
  readonly creates?: boolean
  /** Media type of a good answer when it is not JSON. */
  readonly media?: 'text/event-stream' | 'text/plain' | 'application/octet-stream'
}

export const NOTHING = z.strictObject({})
export const NO_BODY = z.undefined()
/** The parts of a route that takes no input. */
export const PLAIN = { params: NOTHING, query: NOTHING, body: NO_BODY } as const
