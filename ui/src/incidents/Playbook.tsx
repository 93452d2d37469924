// The playbook of an incident: the linked one or, until one is, that for where it began.
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { about, count, duration, milliseconds, plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { Refused } from './Actions'
import { giveFeedback, linkPlaybook, note, useChange, type Helped, type Incident } from './api'

type Playbook = Schemas['PlaybookDocument']
type Step = Schemas['PlaybookStepDocument']

const LOOK_EVERY = 1000

interface Props {
  incident: Incident
  take: (now?: Incident) => void
}

export function PlaybookPanel({ incident, take }: Props) {
  const me = useMe()
  const maySimulate = may(me.data, 'simulate')
  const mayOperate = may(me.data, 'operate') && !incident.merged_into
  const { dataset } = incident.links
  const wanted = { agent_ids: [incident.affected_first.id], groups: [], modes: ['outage'], seed: 0, dataset }
  const generated = useQuery({
    queryKey: ['playbook', incident.affected_first.id, dataset],
    enabled: maySimulate && incident.playbook === null,
    retry: false,
    queryFn: ({ signal }) => answered<Playbook>(api.POST('/api/playbook', { body: { ...wanted, refine: false, background: false }, signal }) as never),
  })
  const linking = useChange(incident.id, take)
  const writing = useMutation({ mutationFn: () => written(wanted) })
  const keep = async () => {
    const id = await writing.mutateAsync().catch(() => null)
    if (id) linking.mutate(() => linkPlaybook(incident, id))
  }
  const playbook = incident.playbook ?? generated.data
  const busy = writing.isPending || linking.isPending
  return (
    <section className="panel">
      <header className="page-head">
        <h2 className="grow">Playbook</h2>
        {!incident.playbook && generated.data && mayOperate && <button type="button" disabled={busy} onClick={() => void keep()}>{busy ? 'Writing …' : 'Write and link it'}</button>}
      </header>
      {writing.error && <Failure error={writing.error} />}
      {linking.error && <Refused error={linking.error} onShow={() => void linking.showNewest()} />}
      {!incident.playbook && !maySimulate && <p className="note">No playbook is linked. Generating one needs the permission “simulate”, which you do not have.</p>}
      {!incident.playbook && maySimulate && generated.isPending && <Waiting what="the playbook" />}
      {!incident.playbook && generated.error && <><p className="note">No playbook is linked, and none can be generated for <Text of={incident.affected_first.name} />.</p><Failure error={generated.error} retry={() => void generated.refetch()} /></>}
      {playbook && (
        <>
          <p className="note">{incident.playbook ? 'Linked to this incident, as it was then.' : <>Generated now for <Text of={incident.affected_first.name} />, from the newest graph; not linked yet.</>} <Origin playbook={playbook} /></p>
          <ol className="steps">{playbook.steps.map((step, i) => <StepItem key={step.id} step={step} number={i + 1} incident={incident} take={take} mayOperate={mayOperate} graph={{ dataset: playbook.dataset, version: playbook.graph_version }} />)}</ol>
          <p className="note"><Recovery playbook={playbook} /> {playbook.unknown && <Text of={playbook.unknown} />}</p>
        </>
      )}
    </section>
  )
}

/** How long past incidents of the same kind took, or why that is not known. */
function Recovery({ playbook: p }: { playbook: Playbook }) {
  const { to } = useView()
  const time = p.estimated_recovery_time
  if (!time) return <Text of={p.estimated_recovery_time_reason ?? ''} />
  return (
    <>
      Recovery took {duration(time.shortest_seconds)} to {duration(time.longest_seconds)} in {count(time.recoveries)} past {time.recoveries === 1 ? 'incident' : 'incidents'} of this kind:
      {time.incidents.map((id, i) => <span key={id}>{i > 0 && ','} <Link href={to('/incidents', { id })}><code>{id.slice(0, 8)}</code></Link></span>)}.
    </>
  )
}

/** Write the playbook as a job, with a language model where one is set; returns the job's id. */
async function written(wanted: object): Promise<string> {
  const body = { ...wanted, background: true } as Schemas['PlaybookRequest']
  const job = await answered<Schemas['JobSummary']>(api.POST('/api/playbook', { body }) as never)
  for (;;) {
    const now = await answered(api.GET('/api/jobs/{job_id}', { params: { path: { job_id: job.id } } }))
    if (now.state === 'succeeded') return job.id
    if (now.error) throw new Error(now.error.message)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY))
  }
}

/** Whether a language model phrased the playbook. */
function Origin({ playbook }: { playbook: Playbook }) {
  const { refinement: r } = playbook
  if (!r) return <>Deterministic: no language model was asked.</>
  const cost = r.cost === null ? '' : `, at a cost of ${about(r.cost)}`
  if (r.state === 'accepted') return <><b>Refined by <Text of={r.model} /></b> in {milliseconds(r.latency_ms)}{cost}; what it says was checked against the facts.</>
  return <>Deterministic: <Text of={r.model} /> was asked, and its answer was {r.state}. {r.reason && <Text of={r.reason} />}</>
}

const ANSWERS: Record<Helped, string> = { yes: 'Yes', no: 'No', unclear: 'Unclear' }

/** Whether a step of the linked playbook helped, as people say it. */
function Feedback({ step, incident, take, mayOperate }: Props & { step: Step; mayOperate: boolean }) {
  const giving = useChange(incident.id, take)
  const given = incident.feedback.find((each) => each.step === step.id)
  if (!mayOperate) return given ? <p className="note">Did it help? {ANSWERS[given.helped]}, says <Text of={given.by} />.</p> : null
  return (
    <fieldset className="helped" disabled={giving.isPending}>
      <legend>Did it help?</legend>
      <div className="segments">{(Object.keys(ANSWERS) as Helped[]).map((helped) => <button key={helped} type="button" aria-pressed={given?.helped === helped} onClick={() => giving.mutate(() => giveFeedback(incident, step.id, helped))}>{ANSWERS[helped]}</button>)}</div>
      {giving.error && <Failure error={giving.error} />}
    </fieldset>
  )
}

interface StepProps extends Props {
  step: Step
  number: number
  mayOperate: boolean
  /** The graph that the evidence is of. */
  graph: { dataset: string; version: string | null }
}

function StepItem({ step, number, incident, take, mayOperate, graph }: StepProps) {
  const { to } = useView()
  const noting = useChange(incident.id, take)
  return (
    <li>
      <header>
        <span className="number">{number}</span>
        <h3><Text of={step.title} /></h3>
        <small>{step.timeframe}{step.owner && <>, <Text of={step.owner} /></>}</small>
      </header>
      <ul className="todo">{step.actions.map((each, i) => <li key={i}><Text of={each} /></li>)}</ul>
      <dl className="facts">
        {step.verifications.length > 0 && <><dt>Check</dt><dd>{step.verifications.map((each, i) => <p key={i}><Text of={each} /></p>)}</dd></>}
        {step.rollback.length > 0 && <><dt>Rollback</dt><dd>{step.rollback.map((each, i) => <p key={i}><Text of={each} /></p>)}</dd></>}
        {step.runbooks.length > 0 && <><dt>Runbooks</dt><dd>{step.runbooks.map((url) => <p key={url}><code><Text of={url} /></code></p>)}</dd></>}
        {step.evidence.length > 0 && (
          <>
            <dt>Evidence</dt>
            <dd>
              <details>
                <summary>{plural(step.evidence.length, 'span')}</summary>
                <ul className="plain">{step.evidence.map((e) => <li key={e.span_id}>{e.reason}, {time(e.timestamp)} <Link href={to('/trace', { ...graph, lookback: null, id: e.trace_id, span: e.span_id })}><code><Text of={e.trace_id} /></code></Link></li>)}</ul>
              </details>
            </dd>
          </>
        )}
      </dl>
      {mayOperate && <button type="button" disabled={noting.isPending || noting.isSuccess} onClick={() => noting.mutate(() => note(incident, `Step ${number} done: ${step.title}`))}>{noting.isSuccess ? 'Noted in the timeline' : 'Note that it is done'}</button>}
      {noting.error && <Failure error={noting.error} />}
      {step.past && <p className="note">Helped in {count(step.past.helped)} of {plural(step.past.judged, 'past incident')}{step.past.measured > 0 && <>; the error share fell in {count(step.past.fell)} of {count(step.past.measured)} measured</>}.</p>}
      {incident.playbook && <Feedback step={step} incident={incident} take={take} mayOperate={mayOperate} />}
    </li>
  )
}
