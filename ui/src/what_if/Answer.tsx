// The numbers of a simulation, all of them the API's.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useLocation } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import type { Columns, Simulation } from '../api/queries'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { CopyButton } from '../parts/CopyButton'
import { incidentOf, linkSimulation } from '../incidents/api'
import { nameOf } from '../graph/words'
import { about, count, percent, score, time } from '../parts/numbers'
import { Failure } from '../parts/states'
import { Text } from '../parts/Text'

interface Props {
  simulation: Simulation
  wanted: Schemas['SimulationRequest']
  columns: Columns | undefined
}

export function Answer({ simulation: s, wanted, columns }: Props) {
  const impact = s.impact_estimate
  return (
    <aside className="detail" aria-label="Numbers">
      <section>
        <h2>Blast radius</h2>
        <p className="big"><b>{score(s.blast_radius_score)}</b> <span>of 10, {impact.severity.toLowerCase()} severity</span></p>
        <p className="note">{impact.severity_reason}.</p>
      </section>
      <dl className="tiles">
        <div><dt>runs lost of {count(s.blast_radius.runs_seen)}</dt><dd>{about(s.blast_radius.runs_lost)}</dd></div>
        <div><dt>if all that nobody has seen fail is survived</dt><dd>{about(s.cases.best.runs_lost)}</dd></div>
        <div><dt>if none of it is survived</dt><dd>{about(s.cases.worst.runs_lost)}</dd></div>
        <div><dt>other components hit, of {count(s.blast_radius.components)}</dt><dd>{count(s.blast_radius.components_hit)}</dd></div>
      </dl>
      <section>
        <h3>Affected workflows</h3>
        <table className="small">
          <thead><tr><th>Workflow</th><th className="n">Lost</th><th className="n">Share, 95 %</th></tr></thead>
          <tbody>
            {s.impacted_workflows.map((w) => (
              <tr key={w.id}>
                <td><Text of={w.name} clip /></td>
                <td className="n">{about(w.runs_lost)} of {count(w.runs_seen)}</td>
                <td className="n">{percent(w.share_lost)}{w.range && <small> {percent(w.range.low)} to {percent(w.range.high)}</small>}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {s.impacted_workflows.length === 0 && <p className="note">No workflow is hit.</p>}
      </section>
      {s.undecided && <p className="note"><Text of={s.undecided} /></p>}
      {s.decided_by.length > 0 && <section><h3>Decided by</h3><ul className="plain">{s.decided_by.map((each) => <li key={each}><Text of={each} /></li>)}</ul></section>}
      {s.game_days.length > 0 && (
        <section>
          <h3>Game days that would narrow this most</h3>
          <ul className="plain">
            {s.game_days.slice(0, 5).map((g) => <li key={g.source + g.target + (g.standby ?? '')}><Text of={nameOf(columns, g.source)} /> without <Text of={nameOf(columns, g.target)} />{g.standby ? <>, <Text of={nameOf(columns, g.standby)} /> in its place</> : null}: {about(g.runs_lost_if_survived)} runs lost if it {g.standby ? 'works' : 'survives'}, {about(g.runs_lost_if_not)} if not</li>)}
          </ul>
        </section>
      )}
      <section>
        <h3>Where the numbers come from</h3>
        <p className="note">Method {s.method.replaceAll('_', ' ')}, seed {s.inputs.seed}, {time(s.window.from)} to {time(s.window.to)}. {s.share_of}</p>
        {s.assumptions?.note && <p className="note"><Text of={s.assumptions.note} /></p>}
        {impact.revenue_risk === null && impact.revenue_risk_reason && <p className="note">{impact.revenue_risk_reason}</p>}
      </section>
      <Save wanted={wanted} />
    </aside>
  )
}

function Save({ wanted }: { wanted: Schemas['SimulationRequest'] }) {
  const me = useMe()
  const { params, to } = useView()
  const [, go] = useLocation()
  const queries = useQueryClient()
  const [saved, setSaved] = useState<{ wanted: typeof wanted; id: string } | null>(null)
  const saving = useMutation({
    mutationFn: () => answered<Simulation>(api.POST('/api/simulate', { body: { ...wanted, preview: false } }) as never),
    onSuccess: ({ id }) => { if (id) setSaved({ wanted, id }) },
  })
  const id = saved?.wanted === wanted ? saved.id : null
  const incident = params.get('incident')
  const linking = useMutation({
    mutationFn: async (simulation: string) => linkSimulation(await incidentOf(incident ?? ''), simulation),
    onSuccess: (now) => queries.setQueryData(['incident', now.id], now),
  })
  const lead = async () => {
    const simulation = id ?? (await saving.mutateAsync().catch(() => null))?.id
    if (!simulation) return
    if (!incident) go(to('/incidents', { open: 'new', simulation }))
    else if (await linking.mutateAsync(simulation).catch(() => null)) go(to('/incidents', { id: incident }))
  }
  return (
    <footer>
      {saving.error && <Failure error={saving.error} />}
      {linking.error && <Failure error={linking.error} />}
      <button type="button" className="primary" disabled={saving.isPending || id !== null} onClick={() => saving.mutate()}>{id ? 'Stored, and in the audit log' : 'Store this simulation'}</button>
      {may(me.data, 'operate') && <button type="button" disabled={saving.isPending || linking.isPending} onClick={() => void lead()}>{incident ? 'Link it to the incident' : 'Open an incident'}</button>}
      <CopyButton key={location.href} of={location.href} words="Copy the link" />
    </footer>
  )
}
