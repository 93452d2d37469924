/** Which components the fleet shows. */
export const LEVELS = { agent: 'Agents', service: 'Services', both: 'Both' }

/** The level that an address names. */
export function levelIn(params: URLSearchParams): keyof typeof LEVELS {
  const level = params.get('level')
  return level === 'service' || level === 'both' ? level : 'agent'
}
