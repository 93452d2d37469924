// Opens an incident: from a stored simulation, which says what is lost, or as somebody reports it.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type FormEvent } from 'react'
import { Link, useLocation } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import { useColumns } from '../api/queries'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { NameSet } from '../parts/NameSet'
import { SEVERITIES, type SeverityName } from '../parts/Severity'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import type { Incident } from './api'

type Wanted = Schemas['OpenIncidentRequest']

export function OpenPage() {
  const { params, to } = useView()
  const me = useMe()
  const simulation = params.get('simulation')
  return (
    <div className="page">
      <p><Link href={to('/incidents')}>All incidents</Link></p>
      <h1>Open an incident</h1>
      {may(me.data, 'operate') ? (simulation ? <FromSimulation id={simulation} /> : <Reported />) : <p className="note">Opening an incident needs the permission “operate”, which you do not have.</p>}
    </div>
  )
}

function useOpening() {
  const queries = useQueryClient()
  const { to } = useView()
  const [, go] = useLocation()
  return useMutation({
    mutationFn: (body: Wanted) => answered<Incident>(api.POST('/api/incidents', { body })),
    onSuccess: (opened) => {
      void queries.invalidateQueries({ queryKey: ['incidents'] })
      go(to('/incidents', { id: opened.id }), { replace: true })
    },
  })
}

const given = (form: FormData, name: string) => String(form.get(name) ?? '').trim() || null

function FromSimulation({ id }: { id: string }) {
  const opening = useOpening()
  const simulation = useQuery({
    queryKey: ['simulation', id],
    queryFn: ({ signal }) => answered<Schemas['StoredSimulationDocument']>(api.GET('/api/simulations/{simulation_id}', { params: { path: { simulation_id: id } }, signal })),
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    opening.mutate({ simulation: id, title: given(form, 'title'), owner: given(form, 'owner'), note: given(form, 'note'), components: [], workflows: [] })
  }
  if (simulation.error) return <Failure error={simulation.error} retry={() => void simulation.refetch()} />
  if (!simulation.data) return <Waiting what="the simulation" />
  return (
    <form className="panel sheet" onSubmit={submit}>
      <p className="impact"><Text of={simulation.data.answer} /></p>
      <p className="note">Severity, impact and what is affected are those of the stored simulation.</p>
      <label>Title<input name="title" maxLength={200} placeholder="Simulated failure of what fails" /></label>
      <Rest busy={opening.isPending} />
      {opening.error && <Failure error={opening.error} />}
    </form>
  )
}

function Reported() {
  const { selection } = useView()
  const opening = useOpening()
  const columns = useColumns(selection, 'both')
  const [components, setComponents] = useState<string[]>([])
  const [workflows, setWorkflows] = useState<string[]>([])
  const c = columns.data?.components
  const known = useMemo(() => new Map(c?.id.map((id, i) => [id, c.name[i] ?? id])), [c])
  const flows = useMemo(() => new Map(columns.data?.workflows.map((w) => [w.id, w.name])), [columns.data])
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const severity = given(form, 'severity') as SeverityName | null
    opening.mutate({ title: given(form, 'title'), severity, owner: given(form, 'owner'), note: given(form, 'note'), components, workflows, dataset: columns.data?.dataset ?? null })
  }
  return (
    <form className="panel sheet" onSubmit={submit}>
      <p className="note">Better: simulate what fails under What-if, and open the incident from there. It then says what is lost.</p>
      <label>Title<input name="title" maxLength={200} required autoFocus /></label>
      <label>Severity
        <select name="severity" required defaultValue="">
          <option value="" disabled>Choose</option>
          {Object.entries(SEVERITIES).map(([value, { words }]) => <option key={value} value={value}>{words}</option>)}
        </select>
      </label>
      <NameSet label="Components that are affected, the origin first" chosen={components} known={known} onChange={setComponents} />
      <NameSet label="Workflows that are affected" chosen={workflows} known={flows} onChange={setWorkflows} />
      <Rest busy={opening.isPending} />
      {opening.error && <Failure error={opening.error} />}
    </form>
  )
}

function Rest({ busy }: { busy: boolean }) {
  return (
    <>
      <label>Owner, a person or team<input name="owner" maxLength={200} placeholder="nobody" /></label>
      <label>Note for the timeline<textarea name="note" rows={3} maxLength={10_000} /></label>
      <button type="submit" className="primary" disabled={busy}>Open the incident</button>
    </>
  )
}
