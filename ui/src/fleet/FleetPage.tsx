// What runs, what of it needs attention, and how it hangs together.
import { useEffect, useMemo, useRef } from 'react'
import { Link, useLocation } from 'wouter'
import { useColumns, type Columns } from '../api/queries'
import { Problem } from '../api/client'
import { shortcutOf } from '../app/shortcuts'
import { useView } from '../app/view'
import { Mosaic } from '../graph/Mosaic'
import { MOST_DRAWN } from '../graph/neighbourhood'
import { sentence } from '../graph/words'
import { plural } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { Attention, type Tab } from './Attention'
import { ComponentTable, csvOf } from './ComponentTable'
import { Detail } from './Detail'
import { parseFilter } from './filter'
import { Focus, FOCUS_PARTS } from './Focus'
import { Legend } from './Legend'
import { LEVELS, levelIn } from './level'
import { NamedDrawing } from './NamedDrawing'

const VIEWS = ['drawing', 'map', 'focus', 'table'] as const
type View = (typeof VIEWS)[number]
const VIEW_WORDS: Record<View, string> = { drawing: 'Drawing', map: 'Map', focus: 'Focus', table: 'Table' }
const NO_FOCUS = Object.fromEntries(FOCUS_PARTS.map((name) => [name, null]))

export function FleetPage() {
  const { params, selection } = useView()
  const level = levelIn(params)
  const columns = useColumns(selection, level)
  if (columns.isPending) return <><h1 className="unseen">Fleet</h1><Waiting what="the fleet" /></>
  if (columns.error instanceof Problem && columns.error.code === 'no-graph' && !selection.dataset) return <Empty />
  if (columns.error) return <><h1 className="unseen">Fleet</h1><Failure error={columns.error} retry={() => void columns.refetch()} /></>
  if (columns.data.components.id.length === 0) return <Empty />
  return <Fleet columns={columns.data} level={level} />
}

function Empty() {
  const { to } = useView()
  return (
    <div className="empty">
      <h1>Nothing has been read yet</h1>
      <ol>
        <li>Send traces over OTLP: to <code>{location.origin}/v1/traces</code>. <Link href={to('/scan')}>The settings of exporters</Link> are ready to copy.</li>
        <li><Link href={to('/scan')}>Upload a file</Link> of traces.</li>
        <li>Load the recorded demo: <code>agentguard demo --load</code>, then reload this page.</li>
      </ol>
    </div>
  )
}

function Fleet({ columns, level }: { columns: Columns; level: keyof typeof LEVELS }) {
  const { params, change, to } = useView()
  const [, navigate] = useLocation()
  const search = useRef<HTMLInputElement>(null)
  const { components: c } = columns
  const inCycle = useMemo(() => new Set(columns.cycles.flat()), [columns])
  const text = params.get('q') ?? ''
  const filter = useMemo(() => parseFilter(text, columns, inCycle), [text, columns, inCycle])
  const found = useMemo(() => c.id.map((_, i) => i).filter(filter.matches), [c, filter])
  const few = c.id.length <= MOST_DRAWN
  const offered = VIEWS.filter((each) => few || each !== 'drawing')
  const view = offered.find((each) => each === params.get('view')) ?? offered[0] ?? 'map'
  const before = useRef<View>(offered[0] ?? 'map')
  if (view !== 'focus' && view !== 'table') before.current = view
  const centred = c.id.indexOf(params.get('centre') ?? params.get('sel') ?? '')
  const at = c.id.indexOf(params.get('sel') ?? '')
  const selected = at < 0 ? null : at
  const idAt = (i: number | null) => (i === null ? null : (c.id[i] ?? null))
  const select = (i: number | null) => change({ sel: idAt(i), ...(view === 'focus' && { open: null, centre: i === null ? idAt(centred) : null }) })
  const keepsFocus = useRef(false) // where a component was opened, or Esc pressed, in the picture that is left
  const focusOn = (i: number) => {
    keepsFocus.current = true
    change({ ...NO_FOCUS, view: 'focus', sel: idAt(i) })
  }
  const listed = params.get('list')
  const tab: Tab = listed === 'spof' || listed === 'cycles' || listed === 'shadow' ? listed : 'risk'

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const key = shortcutOf(event)
      if (key === 'Escape' && view === 'focus') keepsFocus.current = true
      if (key === 'Escape') change(view === 'focus' ? { ...NO_FOCUS, view: before.current } : { sel: null })
      if (key === 't') change({ ...NO_FOCUS, view: view === 'table' ? before.current : 'table' })
      if (key === 's' && selected !== null) navigate(to('/what-if', { fail: idAt(selected) }))
      if (key !== '/') return
      event.preventDefault()
      search.current?.focus()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [change, navigate, to, view, selected])

  const table = (positions: number[], onSelect = select) => (
    <ComponentTable columns={columns} positions={positions} sort={params.get('sort') ?? '-risk'} onSort={(sort) => change({ sort })} selected={selected} onSelect={onSelect} />
  )
  return (
    <div className={`fleet${selected === null ? '' : ' with-detail'}`}>
      <Attention columns={columns} tab={tab} onTab={(list) => change({ list: list === 'risk' ? null : list })} matches={filter.matches} selected={selected} onSelect={select} />
      <section className="stage" aria-label="Fleet">
        <h1 className="unseen">Fleet</h1>
        <div className="bar">
          <button type="button" className="back-to-list" onClick={() => select(null)}>Needs attention</button>
          <input
            ref={search} type="search" aria-label="Filter" placeholder="Name, or kind:agent risk>=7 err>2% spof cycle !shadow" value={text} list="names"
            onChange={(e) => change({ q: e.target.value || null }, { replace: true })}
            onKeyDown={(e) => { if (e.key === 'Enter' && found[0] !== undefined && text) select(found[0]) }}
          />
          <div className="segments" role="group" aria-label="Level">
            {(Object.keys(LEVELS) as (keyof typeof LEVELS)[]).map((each) => (
              <button key={each} type="button" aria-pressed={level === each} onClick={() => change({ level: each === 'agent' ? null : each })}>{LEVELS[each]}</button>
            ))}
          </div>
          <div className="segments" role="group" aria-label="View">
            {offered.map((each) => (
              <button key={each} type="button" aria-pressed={view === each} onClick={() => { keepsFocus.current = false; change({ ...NO_FOCUS, view: each }) }}>{VIEW_WORDS[each]}</button>
            ))}
          </div>
          {view === 'table' && <button type="button" onClick={() => download(columns, found)}>CSV</button>}
        </div>
        {filter.unknown.length > 0 && <p className="note pad" role="alert">Not understood: {filter.unknown.join(' ')}</p>}
        {text && <p className="note pad" role="status">{plural(found.length, 'component')} of {c.id.length} match. <button type="button" className="link" onClick={() => change({ q: null })}>Show all</button></p>}
        {selected !== null && !filter.matches(selected) && (
          <p className="note pad hidden" role="alert"><Text of={c.name[selected] ?? ''} /> does not match the filter. <button type="button" onClick={() => change({ q: null })}>Lift the filter</button></p>
        )}
        {at < 0 && params.get('sel') && (
          <p className="note pad hidden" role="alert">
            The selected component is not among those shown. {level !== 'both' && <button type="button" onClick={() => change({ level: 'both' })}>Show agents and services</button>}
          </p>
        )}
        {view === 'drawing' && <NamedDrawing columns={columns} matches={filter.matches} inCycle={inCycle} selected={selected} onSelect={select} onOpen={focusOn} takesFocus={keepsFocus.current} instead={table(found)} />}
        {view === 'map' && <Mosaic columns={columns} matches={filter.matches} filtering={!filter.empty} selected={selected} onSelect={select} onOpen={focusOn} takesFocus={keepsFocus.current} />}
        {view === 'focus' && (centred < 0
          ? <p className="note pad">Select a component in the list, or find it by name: this view shows what is around it.</p>
          : <Focus columns={columns} matches={filter.matches} inCycle={inCycle} centre={centred} selected={selected} takesFocus={keepsFocus.current} table={table} />)}
        {view === 'table' && table(found)}
        <p className="unseen" role="status">{selected === null ? '' : sentence(columns, selected)}</p>
        {view !== 'table' && <Legend columns={columns} failing={view !== 'drawing'} />}
      </section>
      {selected !== null && <Detail key={c.id[selected]} columns={columns} position={selected} inCycle={inCycle.has(selected)} onFocus={() => focusOn(selected)} onClose={() => select(null)} />}
    </div>
  )
}

function download(columns: Columns, positions: number[]) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([csvOf(columns, positions)], { type: 'text/csv' }))
  link.download = `components-${columns.dataset}.csv`
  link.click()
  URL.revokeObjectURL(link.href)
}
