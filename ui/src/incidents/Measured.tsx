// Whether calls fail less often since something was done, as counted in the live spans.
import { may, useMe } from '../app/session'
import { count, percent, time } from '../parts/numbers'
import { Refused } from './Actions'
import { measure, useChange, type Incident } from './api'

interface Props {
  incident: Incident
  take: (now?: Incident) => void
}

export function Measured({ incident, take }: Props) {
  const me = useMe()
  const measuring = useChange(incident.id, take)
  const done = incident.mitigated_at ?? incident.resolved_at
  const found = incident.measured_recovery
  const mayMeasure = may(me.data, 'operate') && !incident.merged_into && done !== null
  return (
    <section className="panel">
      <header className="page-head">
        <h2 className="grow">Recovery, as measured</h2>
        {mayMeasure && <button type="button" disabled={measuring.isPending} onClick={() => measuring.mutate(() => measure(incident))}>{found ? 'Measure again' : 'Measure'}</button>}
      </header>
      {measuring.error && <Refused error={measuring.error} onShow={() => void measuring.showNewest()} />}
      {!found && <p className="note">{done ? 'Not measured yet: failed calls before and after something was done are counted in the live spans.' : 'Nothing to compare yet: it is neither mitigated nor resolved.'}</p>}
      {found && (
        <table className="small">
          <thead><tr><th>Window</th><th className="n">Calls failed</th><th className="n">Share</th></tr></thead>
          <tbody>{([['Before', found.before], ['After', found.after]] as const).map(([name, calls]) => <tr key={name}><td>{name}, {time(calls.since)} to {time(calls.until)}</td><td className="n">{count(calls.failed)} of {count(calls.calls)}</td><td className="n">{calls.error_share === null ? 'unknown' : percent(calls.error_share)}</td></tr>)}</tbody>
        </table>
      )}
    </section>
  )
}
