import type { Schemas } from '../api/client'

export type SeverityName = Schemas['IncidentRecordDocument']['severity']

export const SEVERITIES: Record<SeverityName, { words: string; level: number }> = {
  CRITICAL: { words: 'Critical', level: 4 },
  HIGH: { words: 'High', level: 3 },
  MEDIUM: { words: 'Medium', level: 2 },
  LOW: { words: 'Low', level: 1 },
}

/** A severity: its word, beside a bar whose colour and length say the same. */
export function Severity({ of }: { of: SeverityName }) {
  const { words, level } = SEVERITIES[of]
  return (
    <span className="severity">
      <svg width="20" height="10" viewBox="0 0 20 10" aria-hidden="true">
        {[1, 2, 3, 4].map((each) => (
          <rect key={each} x={(each - 1) * 5} y={8 - 2 * each} width={4} height={2 * each + 2} className={each <= level ? `fill-${level}` : 'fill-rest'} />
        ))}
      </svg>
      {words}
    </span>
  )
}
