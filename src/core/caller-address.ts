/** What counts as one caller: an IPv6 host has its whole /64 to choose from. */
export function callerAddress(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address
  const [head = ''] = address.split('::')
  return head.split(':').slice(0, 4).join(':')
}
