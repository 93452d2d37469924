// One incident: what is lost first, then what to do about it, and what was done.
import { Link } from 'wouter'
import { Problem } from '../api/client'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { about, count, percent, score, time } from '../parts/numbers'
import { Severity } from '../parts/Severity'
import { Failure, Waiting } from '../parts/states'
import { useSteady } from '../parts/steady'
import { Text } from '../parts/Text'
import { Affected, Links } from './Affected'
import { STATES, useIncident, type Incident, type State } from './api'
import { Actions } from './Actions'
import { Measured } from './Measured'
import { PlaybookPanel } from './Playbook'
import { PostMortem } from './PostMortem'
import { Timeline } from './Timeline'

export function IncidentPage({ id }: { id: string }) {
  const { to } = useView()
  const latest = useIncident(id)
  const { shown, changed, take } = useSteady(id, latest.data)
  const back = <Link href={to('/incidents')}>All incidents</Link>
  if (!shown && latest.error) {
    return <div className="page"><p>{back}</p><h1>{latest.error instanceof Problem && latest.error.status === 404 ? 'There is no such incident' : 'Incident'}</h1><Failure error={latest.error} retry={() => void latest.refetch()} /></div>
  }
  if (!shown) return <div className="page"><h1 className="unseen">Incident</h1><Waiting what="the incident" /></div>
  return (
    <div className="page">
      <p className="page-head">
        <span className="grow">{back}</span>
        {latest.error && <span className="bad">Not up to date: {latest.error.message}</span>}
        {changed && <button type="button" className="pill" onClick={() => take()}>It was changed meanwhile: show the newest version</button>}
      </p>
      <Details incident={shown} take={take} />
    </div>
  )
}

function Details({ incident: i, take }: { incident: Incident; take: (now?: Incident) => void }) {
  const { to } = useView()
  const me = useMe()
  const mayOperate = may(me.data, 'operate')
  return (
    <>
      <header className="incident-head">
        <h1><Text of={i.title} /></h1>
        <p className="impact"><Text of={i.impact?.answer ?? i.impact_reason ?? ''} /></p>
        {!i.impact && mayOperate && !i.merged_into && i.affected_first.kind !== 'workflow' && <p><Link href={to('/what-if', { dataset: i.links.dataset, version: null, lookback: null, fail: i.affected_first.id, incident: i.id })}>Simulate the failure of <Text of={i.affected_first.name} /></Link></p>}
        <p className="note">
          <Severity of={i.severity} /> {i.impact && <>(<Text of={i.impact.severity_reason} />)</>} Owner: {i.owner ? <Text of={i.owner} /> : 'nobody'}. Opened {time(i.opened_at)} by <Text of={i.opened_by} />.
          {i.impact && ' The impact is what the simulation predicts; nothing of it was measured.'}
        </p>
        {i.merged_into && <p>This is a duplicate: it was merged into <Link href={to('/incidents', { id: i.merged_into })}>another incident</Link>.</p>}
      </header>
      <Progress incident={i} />
      {i.impact && (
        <dl className="tiles">
          <div><dt>blast radius, 0 to 10</dt><dd>{score(i.impact.blast_radius_score)}</dd></div>
          <div><dt>runs lost of {count(i.impact.runs_seen)}, as simulated</dt><dd>{about(i.impact.runs_lost)}</dd></div>
          <div><dt>workflows hit</dt><dd>{count(i.workflows_affected)}</dd></div>
          <div><dt>components hit</dt><dd>{count(i.components_affected)}</dd></div>
        </dl>
      )}
      <div className="incident">
        <div>
          <PlaybookPanel incident={i} take={take} />
          <div className="columns">
            {i.impact && i.impact.workflows.length > 0 && <Lost of={i.impact.workflows} />}
            <Affected incident={i} />
          </div>
          <Measured incident={i} take={take} />
          <Links incident={i} />
        </div>
        <div>
          {mayOperate ? <Actions incident={i} take={take} /> : <section className="panel"><h2>Actions</h2><p className="note">Changing an incident needs the permission “operate”, which you do not have.</p></section>}
          <Timeline incident={i} />
          <PostMortem incident={i} />
        </div>
      </div>
    </>
  )
}

function Lost({ of }: { of: NonNullable<Incident['impact']>['workflows'] }) {
  return (
    <section className="panel">
      <h2>What is lost, as simulated</h2>
      <table className="small">
        <thead><tr><th>Workflow</th><th className="n">Runs lost</th><th className="n">Share</th></tr></thead>
        <tbody>{of.map((w) => <tr key={w.id}><td><Text of={w.name} clip /></td><td className="n">{about(w.runs_lost)} of {count(w.runs_seen)}</td><td className="n">{percent(w.share_lost)}</td></tr>)}</tbody>
      </table>
    </section>
  )
}

/** The states in their order, each with when it was reached. */
function Progress({ incident: i }: { incident: Incident }) {
  return (
    <ol className="progress-line" aria-label="States">
      {(Object.keys(STATES) as State[]).map((state) => {
        const when = i[STATES[state].at] as string | null
        return (
          <li key={state} aria-current={i.state === state ? 'step' : undefined} className={when ? 'reached' : ''}>
            <b>{STATES[state].words}</b> <small>{when ? time(when) : 'not yet'}</small>
          </li>
        )
      })}
    </ol>
  )
}
