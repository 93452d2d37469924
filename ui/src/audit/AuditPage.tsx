// The audit log: what was done, what signs it, and where it is anchored.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { Link } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import { useView } from '../app/view'
import { count, plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { useSteady } from '../parts/steady'
import { Text } from '../parts/Text'
import { Anchors } from './Anchors'
import { Checkpoint } from './Checkpoint'
import { EntryPage } from './EntryPage'

const EVERY = 15_000
const PARTS = { entries: 'Entries', checkpoint: 'Checkpoint', anchors: 'Anchors' }
const FILTERS = ['actor', 'action', 'object', 'since', 'until', 'incident'] as const
const LABELS = { actor: 'Actor', action: 'Action', object: 'Object', since: 'From', until: 'Until', incident: 'Incident' }
const EXAMPLES = { actor: 'user:…', action: 'scan.stored', object: 'id', since: '24h or 2026-11-30', until: '1h', incident: 'id' }

type Part = keyof typeof PARTS
type Filters = Partial<Record<(typeof FILTERS)[number], string>>

export function AuditPage() {
  const { params } = useView()
  const entry = params.get('entry')
  return entry !== null && /^\d{1,15}$/.test(entry) ? <EntryPage key={entry} index={Number(entry)} /> : <Log />
}

function Log() {
  const { params, change } = useView()
  const wanted = params.get('part') ?? ''
  const part: Part = wanted in PARTS ? (wanted as Part) : 'entries'
  return (
    <div className="page">
      <h1>Audit log</h1>
      <Standing />
      <div className="segments" role="group" aria-label="Parts of the page">
        {(Object.keys(PARTS) as Part[]).map((each) => <button key={each} type="button" aria-pressed={part === each} onClick={() => change({ part: each === 'entries' ? null : each })}>{PARTS[each]}</button>)}
      </div>
      {part === 'entries' && <Entries />}
      {part === 'checkpoint' && <Checkpoint />}
      {part === 'anchors' && <Anchors />}
    </div>
  )
}

export function useAnchors() {
  return useQuery({
    queryKey: ['audit-anchors'],
    queryFn: ({ signal }) => answered(api.GET('/api/audit/anchors', { signal })),
    refetchInterval: EVERY,
  })
}

/** How much of the log is signed, anchored and published. */
function Standing() {
  const { data } = useAnchors()
  if (!data) return null
  return (
    <>
      <p className="impact"><Text of={data.summary} /></p>
      <dl className="tiles">
        <div><dt>entries that the newest checkpoint covers</dt><dd>{count(data.size)}</dd></div>
        <div><dt>of them anchored for good</dt><dd>{count(data.anchored_size)}</dd></div>
        <div><dt>of them published as files</dt><dd>{count(data.published_size)}</dd></div>
      </dl>
    </>
  )
}

function Entries() {
  const { params, change } = useView()
  const filters: Filters = {}
  for (const name of FILTERS) {
    const value = params.get(name)
    if (value) filters[name] = value
  }
  const before = params.get('before')
  const query = { ...filters, ...(before && /^\d{1,15}$/.test(before) ? { before: Number(before) } : {}) }
  const key = JSON.stringify(query)
  const entries = useQuery({
    queryKey: ['audit-entries', query],
    queryFn: ({ signal }) => answered(api.GET('/api/audit/entries', { params: { query }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY,
  })
  const { shown, changed, take } = useSteady(key, entries.isPlaceholderData ? undefined : entries.data)
  return (
    <>
      <FilterForm key={key} filters={filters} onChange={(next) => change({ ...next, before: null })} />
      {entries.error && <Failure error={entries.error} retry={() => void entries.refetch()} />}
      {!shown && !entries.error && <Waiting what="the entries" />}
      {shown && (
        <section className="panel">
          <header className="page-head">
            <p className="note grow">{shown.size === 1 ? '1 entry' : `${count(shown.size)} entries`} in the whole log{shown.pending > 0 && `, ${count(shown.pending)} waiting for their place in it`}.</p>
            {changed && <button type="button" className="pill" onClick={() => take()}>There are newer entries: show them</button>}
          </header>
          <Rows of={shown.entries} />
        </section>
      )}
      {shown && (before !== null || shown.next !== null) && (
        <p className="pages">
          {before !== null && <button type="button" onClick={() => change({ before: null })}>Newest</button>}
          {shown.next !== null && <button type="button" onClick={() => change({ before: String(shown.next) })}>Older</button>}
        </p>
      )}
    </>
  )
}

interface FilterProps {
  filters: Filters
  onChange: (next: Record<string, string | null>) => void
}

function FilterForm({ filters, onChange }: FilterProps) {
  const [typed, setTyped] = useState(filters)
  const any = Object.keys(filters).length > 0
  function submit(event: FormEvent) {
    event.preventDefault()
    onChange(Object.fromEntries(FILTERS.map((name) => [name, typed[name]?.trim() || null])))
  }
  return (
    <form className="filters" onSubmit={submit} role="search" aria-label="Filter of the entries">
      {FILTERS.map((name) => (name !== 'incident' || filters.incident) && (
        <label key={name}>{LABELS[name]}
          <input value={typed[name] ?? ''} placeholder={EXAMPLES[name]} maxLength={200} onChange={(e) => setTyped({ ...typed, [name]: e.target.value })} />
        </label>
      ))}
      <button type="submit">Filter</button>
      {any && <button type="button" className="link" onClick={() => onChange(Object.fromEntries(FILTERS.map((name) => [name, null])))}>Show all</button>}
    </form>
  )
}

function Rows({ of }: { of: Schemas['EntryDocument'][] }) {
  const { to } = useView()
  if (of.length === 0) return <p className="note">No entry matches.</p>
  return (
    <table>
      <thead><tr><th className="n">Number</th><th className="when">Time</th><th>Action</th><th>Actor</th><th>Object</th><th className="n">Traces</th></tr></thead>
      <tbody>
        {of.map((e) => (
          <tr key={e.index}>
            <td className="n"><Link href={to('/audit', { entry: String(e.index) })} aria-label={`Entry ${e.index}`}>{e.index}</Link></td>
            <td className="when">{time(e.time)}</td>
            <td><Text of={e.action} /></td>
            <td><Text of={e.actor.id} /></td>
            <td className="breaks">{e.object === null ? '–' : <Text of={e.object} />}</td>
            <td className="n">{e.trace_ids.length > 0 ? plural(e.trace_ids.length, 'cited trace') : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
