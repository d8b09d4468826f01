/** Words of others, without characters that a terminal would act on or that turn the reading around. */
export function wordsOf(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}')
}
