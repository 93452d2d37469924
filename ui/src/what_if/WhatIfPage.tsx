// What fails if these fail: asked of the API, which answers in one sentence first.
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { answered, api, type Schemas } from '../api/client'
import { useColumns, type Columns, type Simulation } from '../api/queries'
import { may, useMe } from '../app/session'
import { useView } from '../app/view'
import { NameSet } from '../parts/NameSet'
import { nameOf } from '../graph/words'
import { about } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { shown, Text } from '../parts/Text'
import { Answer } from './Answer'
import { Cascade } from './Cascade'
import { Compare } from './Compare'
import { requestOf, type Wanted } from './scenario'

const MODES = {
  outage: { words: 'Outage', share: null, first: '' },
  errors: { words: 'Errors', share: 'Share of calls that fail', first: '0.2' },
  latency: { words: 'Slow', share: 'Times as slow', first: '5' },
  wrong_output: { words: 'Wrong output', share: 'Share of wrong answers', first: '0.1' },
} as const
const METHODS = { '': 'Default', replay: 'Replay', structural: 'Structural', monte_carlo: 'By chance' }

type Mode = keyof typeof MODES

export function WhatIfPage() {
  const { params, change, selection } = useView()
  const me = useMe()
  const columns = useColumns(selection, 'both')
  const failing = useMemo(() => params.getAll('fail'), [params])
  const mode = (params.get('mode') ?? 'outage').split(':')
  const kind: Mode = (mode[0] ?? '') in MODES ? (mode[0] as Mode) : 'outage'
  const method = params.get('method') ?? ''
  const wanted = useMemo<Wanted | null>(() => requestOf(failing, params.get('mode') ?? 'outage', method, selection), [failing, params, method, selection])
  const allowed = may(me.data, 'simulate')
  const simulation = useQuery({
    queryKey: ['simulate', wanted],
    enabled: wanted !== null && allowed,
    queryFn: ({ signal }) => answered<Simulation>(api.POST('/api/simulate', { body: { ...(wanted as Wanted), preview: true }, signal }) as never),
    placeholderData: keepPreviousData,
  })
  const result = wanted ? simulation.data : undefined
  return (
    <div className="what-if">
      <section className="builder" aria-label="What fails">
        <h1>What if this fails?</h1>
        <p className="note">Nothing is touched in production.</p>
        <FailingSet columns={columns.data} failing={failing} onChange={(fail) => change({ fail })} />
        <fieldset>
          <legend>How it fails</legend>
          <div className="segments" role="group" aria-label="How it fails">
            {(Object.keys(MODES) as Mode[]).map((name) => (
              <button key={name} type="button" aria-pressed={kind === name} onClick={() => change({ mode: name === 'outage' ? null : `${name}:${MODES[name].first}`, method: null })}>{MODES[name].words}</button>
            ))}
          </div>
          {MODES[kind].share && (
            <label>{MODES[kind].share}
              <input type="number" min="0" step="any" key={kind} defaultValue={mode[1] ?? MODES[kind].first} onBlur={(e) => change({ mode: `${kind}:${e.target.value}` })} />
            </label>
          )}
        </fieldset>
        {kind === 'outage' && (
          <label>Method
            <select value={method} onChange={(e) => change({ method: e.target.value || null })}>
              {Object.entries(METHODS).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
            </select>
          </label>
        )}
        {wanted && allowed && <Mitigations wanted={wanted} columns={columns.data} />}
      </section>
      <section className="stage" aria-label="The consequences">
        {!wanted && <div className="empty"><h2>Choose what fails</h2><p>A component, or a group that shares its fate, such as <code>provider:openai</code>.</p></div>}
        {wanted && me.data && !allowed && <p className="note pad">Simulating needs the permission “simulate”, which you do not have.</p>}
        {wanted && allowed && simulation.isPending && <Waiting what="the simulation" />}
        {simulation.error && wanted && <Failure error={simulation.error} retry={() => void simulation.refetch()} />}
        {result && <p className={`answer${simulation.isPlaceholderData ? ' old' : ''}`} role="status"><Text of={result.answer} /></p>}
        {result && columns.data && <Cascade simulation={result} columns={columns.data} />}
        {result && !simulation.isPlaceholderData && <Compare current={{ fail: failing, mode: params.get('mode') ?? 'outage', method }} simulation={result} columns={columns.data} selection={selection} />}
      </section>
      {result && wanted && <Answer simulation={result} wanted={wanted} columns={columns.data} />}
    </div>
  )
}

interface SetProps {
  columns: Columns | undefined
  failing: string[]
  onChange: (failing: string[]) => void
}

function FailingSet({ columns, failing, onChange }: SetProps) {
  const known = useMemo(() => new Map(columns?.components.id.map((id, i) => [id, columns.components.name[i] ?? id])), [columns])
  return (
    <section>
      <h2>Failing</h2>
      <NameSet label="Add a component or group" chosen={failing} known={known} placeholder="gpt-4o or provider:openai" onChange={onChange} />
    </section>
  )
}

const KINDS: Record<string, string> = { spare: 'A spare for', separate_fate: 'A separate fate for', replicas: 'Replicas of', retry: 'A retry of', timeout: 'A timeout for', circuit_breaker: 'A circuit breaker for', cache: 'A cache for' }

function Mitigations({ wanted, columns }: { wanted: Wanted; columns: Columns | undefined }) {
  const asked = useMutation({ mutationFn: (body: Wanted) => answered<Schemas['MitigationsAnswer']>(api.POST('/api/mitigations', { body: body as never })) })
  const [of, setOf] = useState<Wanted | null>(null)
  const current = of === wanted ? asked.data : undefined
  return (
    <section>
      <h2>What would help</h2>
      {!current && <button type="button" disabled={asked.isPending} onClick={() => { setOf(wanted); asked.mutate(wanted) }}>{asked.isPending ? 'Comparing …' : 'Compare mitigations'}</button>}
      {asked.error && of === wanted && <Failure error={asked.error} />}
      {current && (
        <ol className="mitigations">
          {current.mitigations.slice(0, 12).map((each, i) => (
            <li key={i} title={each.basis}>
              <span>{KINDS[each.kind] ?? shown(each.kind).replaceAll('_', ' ')} {each.components.map((c) => <Text key={c} of={nameOf(columns, c)} />)}</span>
              <b>{each.runs_saved === null ? `at most ${about(each.runs_saved_at_most)}` : about(each.runs_saved)} runs saved</b>
            </li>
          ))}
          {current.mitigations.length === 0 && <li>None of those that were tried saves a run.</li>}
        </ol>
      )}
      {current?.note && <p className="note">{current.note}</p>}
    </section>
  )
}
