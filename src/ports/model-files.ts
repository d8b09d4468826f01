/** A file of a model that is here whole, and of which it is known what it is. */
export interface ModelFile {
  /** SHA-256 in hexadecimal, as it was found when the file was last read from end to end. */
  readonly digest: string
  readonly bytes: number
}

export interface OpenModelFile extends ModelFile {
  /** @returns fewer bytes than asked for only at the end of the file */
  read(offset: number, bytes: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** What came of a file that is not here whole yet. It outlives the process; there is one of a digest. */
export interface PartialFile {
  readonly bytes: number
  /** @throws EdgeCoderError `store-full`, `store-failed` */
  append(bytes: Uint8Array): Promise<void>
  /** Forgets all that came. */
  restart(): Promise<void>
  /**
   * Looks whether it is the file, by all of its bytes. What is another one is forgotten.
   *
   * @param name of the model, by which the file is known from then on
   * @returns what was found, and where the file is if it is the one
   * @throws EdgeCoderError `store-full`, `store-failed`, `cancelled`
   */
  finish(name: string, signal: AbortSignal): Promise<{ readonly digest: string; readonly path?: string }>
  /** Lets go of it; what came stays, if anything did. */
  close(): Promise<void>
}

/** Files of models on this machine, by what they are. Contract: test/contract/model-files. */
export interface ModelFiles {
  /** Whole ones; a file that is still being read for its digest is none yet. */
  list(): readonly ModelFile[]
  /** @returns undefined = it is not here, or no longer as it was when its digest was found */
  open(digest: string): Promise<OpenModelFile | undefined>
  /** Where the file is, whole. @returns undefined = it is not here */
  placed(name: string, digest: string, signal: AbortSignal): Promise<string | undefined>
  /** Goes on with what came before, or begins. @throws EdgeCoderError `store-failed` */
  begin(digest: string): Promise<PartialFile>
}
