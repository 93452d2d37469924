// Incidents: the list, one of them, or the form that opens one, as the address says.
import { Link } from 'wouter'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { time } from '../parts/numbers'
import { SEVERITIES, Severity, type SeverityName } from '../parts/Severity'
import { Failure, Waiting } from '../parts/states'
import { useSteady } from '../parts/steady'
import { Text } from '../parts/Text'
import { ACTIVE, STATES, useChanges, useIncidents, type IncidentRecord, type ListQuery, type State } from './api'
import { IncidentPage } from './IncidentPage'
import { OpenPage } from './OpenPage'

const VIEWS: Record<string, { words: string; states: State[] }> = {
  active: { words: 'Active', states: ACTIVE },
  ...Object.fromEntries(Object.entries(STATES).map(([state, { words }]) => [state, { words, states: [state] }])),
  all: { words: 'All', states: [] },
}

export function IncidentsPage() {
  const { params } = useView()
  useChanges()
  const id = params.get('id')
  if (id) return <IncidentPage key={id} id={id} />
  return params.has('open') ? <OpenPage /> : <List />
}

function List() {
  const { params, change, to } = useView()
  const me = useMe()
  const wanted = params.get('state') ?? 'active'
  const view = VIEWS[wanted] ? wanted : 'active'
  const severity = params.get('severity') ?? ''
  const before = params.get('before')
  const query: ListQuery = {
    state: VIEWS[view]?.states ?? ACTIVE,
    ...(severity in SEVERITIES ? { severity: [severity as SeverityName] } : {}),
    ...(before ? { before } : {}),
  }
  const incidents = useIncidents(query)
  const { shown, changed, take } = useSteady(JSON.stringify(query), incidents.isPlaceholderData ? undefined : incidents.data)
  return (
    <div className="page">
      <header className="page-head">
        <h1 className="grow">Incidents</h1>
        {changed && <button type="button" className="pill" onClick={() => take()}>The list has changed: show it</button>}
        {may(me.data, 'operate') && <Link className="button primary" href={to('/incidents', { open: 'new' })}>Open an incident</Link>}
      </header>
      <div className="filters">
        <div className="segments" role="group" aria-label="State">
          {Object.entries(VIEWS).map(([name, { words }]) => (
            <button key={name} type="button" aria-pressed={view === name} onClick={() => change({ state: name === 'active' ? null : name, before: null })}>{words}</button>
          ))}
        </div>
        <label>Severity
          <select value={severity} onChange={(e) => change({ severity: e.target.value || null, before: null })}>
            <option value="">Any</option>
            {Object.entries(SEVERITIES).map(([value, { words }]) => <option key={value} value={value}>{words}</option>)}
          </select>
        </label>
      </div>
      {incidents.error && <Failure error={incidents.error} retry={() => void incidents.refetch()} />}
      {!shown && !incidents.error && <Waiting what="the incidents" />}
      {shown && <section className="panel"><Rows of={shown.incidents} /></section>}
      {shown && (before || shown.next) && (
        <p className="pages">
          {before && <button type="button" onClick={() => change({ before: null })}>Newest</button>}
          {shown.next && <button type="button" onClick={() => change({ before: shown.next })}>Older</button>}
        </p>
      )}
    </div>
  )
}

function Rows({ of }: { of: IncidentRecord[] }) {
  const { to } = useView()
  if (of.length === 0) return <p className="note">No incident matches.</p>
  return (
    <table>
      <thead><tr><th>State</th><th>Severity</th><th>Incident</th><th>Began with</th><th className="n">Workflows hit</th><th className="when">Opened</th><th>Owner</th></tr></thead>
      <tbody>
        {of.map((i) => (
          <tr key={i.id}>
            <td><StateTag of={i.state} /></td>
            <td><Severity of={i.severity} /></td>
            <td className="title"><Link href={to('/incidents', { id: i.id })}><Text of={i.title} /></Link>{i.merged_into && <small> merged</small>}</td>
            <td><Text of={i.affected_first.name} /></td>
            <td className="n">{i.workflows_affected}</td>
            <td className="when">{time(i.opened_at)}</td>
            <td>{i.owner ? <Text of={i.owner} /> : <span className="note">Nobody</span>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

export function StateTag({ of }: { of: State }) {
  return <span className={`tag state-${of}`}>{STATES[of].words}</span>
}
