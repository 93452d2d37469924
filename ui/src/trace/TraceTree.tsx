// One trace as a tree of spans with their times, and where it failed.
import { useMemo, useRef, useState, type KeyboardEvent } from 'react'
import type { Selection } from '../api/queries'
import { count, milliseconds, plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { useTrace, type Trace } from './api'
import { SpanRow } from './SpanRow'
import { expanded, hasChildren, matching, parentOf, withParents } from './tree'

const OUTCOMES: Record<Trace['outcome'], string> = {
  succeeded: 'Nothing failed.',
  absorbed: 'A call failed, and the entry succeeded all the same.',
  partly_failed: 'A part that is not below the entry failed.',
  failed: 'It failed.',
}

interface Props {
  id: string
  selection: Selection
  span?: string | null
  /** Whether to bring that span into view. */
  scroll?: boolean
}

export function TraceTree({ id, selection, span = null, scroll = true }: Props) {
  const trace = useTrace(id, selection)
  if (trace.error) return <Failure error={trace.error} retry={() => void trace.refetch()} />
  if (!trace.data) return <Waiting what="the trace" />
  return <Tree trace={trace.data} span={span} scroll={scroll} />
}

function Tree({ trace: t, span, scroll }: { trace: Trace; span: string | null; scroll: boolean }) {
  const [only, setOnly] = useState(false)
  const [text, setText] = useState('')
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set())
  const [active, setActive] = useState(span)
  const table = useRef<HTMLTableElement>(null)
  const spans = useMemo(() => (only ? t.spans.filter((s) => s.on_failing_path) : t.spans), [t, only])
  const found = useMemo(() => (text.trim() ? matching(spans, text) : null), [spans, text])
  const rows = useMemo(() => (found ? withParents(spans, found) : expanded(spans, collapsed)), [spans, found, collapsed])
  const current = rows.find((i) => spans[i]?.span_id === active) ?? rows[0] ?? null

  const fold = (i: number, away: boolean) => setCollapsed((now) => {
    const next = new Set(now)
    if (away) next.add(spans[i]?.span_id ?? '')
    else next.delete(spans[i]?.span_id ?? '')
    return next
  })
  const focus = (i: number | null | undefined) => {
    if (i == null) return
    setActive(spans[i]?.span_id ?? null)
    table.current?.querySelector<HTMLElement>(`[data-span="${i}"]`)?.focus()
  }
  const press = (event: KeyboardEvent) => {
    if (current === null || event.ctrlKey || event.metaKey || event.altKey) return
    const at = rows.indexOf(current)
    const open = !collapsed.has(spans[current]?.span_id ?? '')
    const parent = hasChildren(spans, current) && found === null
    const action = {
      ArrowDown: () => focus(rows[at + 1]),
      ArrowUp: () => focus(rows[at - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows.at(-1)),
      ArrowRight: () => (parent && !open ? fold(current, false) : hasChildren(spans, current) && focus(rows[at + 1])),
      ArrowLeft: () => (parent && open ? fold(current, true) : focus(parentOf(spans, current))),
    }[event.key]
    if (!action) return
    event.preventDefault()
    action()
  }
  return (
    <>
      <p className="impact"><Outcome of={t} /></p>
      <p className="note">
        Began {time(t.started_at)}, took {milliseconds(t.duration_ms)}; {count(t.spans_shown)} of {plural(t.spans_total, 'span')} shown, {count(t.failed_spans)} failed.
        {t.notes.map((each) => <span key={each}> <Text of={each} /></span>)}
      </p>
      <div className="filters">
        <input type="search" aria-label="Find in this trace" placeholder="Find in this trace" value={text} onChange={(e) => setText(e.target.value)} onKeyDown={(e) => { if (e.key === 'Enter' && found) focus([...found][0]) }} />
        {t.failing_path.length > 0 && (
          <div className="segments" role="group" aria-label="Spans">
            <button type="button" aria-pressed={!only} onClick={() => setOnly(false)}>All spans</button>
            <button type="button" aria-pressed={only} onClick={() => setOnly(true)}>Only the failing path</button>
          </div>
        )}
        <button type="button" disabled={found !== null} onClick={() => setCollapsed(new Set(spans.flatMap((s, i) => (hasChildren(spans, i) ? [s.span_id] : []))))}>Collapse all</button>
        <button type="button" disabled={found !== null || collapsed.size === 0} onClick={() => setCollapsed(new Set())}>Expand all</button>
        <span className="note" role="status">{found && `${plural(found.size, 'span')} of ${count(spans.length)} match${found.size ? '; those above them are shown too' : ''}.`}</span>
      </div>
      <table className="spans" role="treegrid" aria-label="Spans of the trace" ref={table} onKeyDown={press}>
        <thead><tr><th>Span</th><th>Called by</th><th className="n">Took</th><th className="bar-cell">When, within the trace</th></tr></thead>
        <tbody>
          {rows.flatMap((i) => {
            const s = spans[i]
            if (!s) return []
            const open = hasChildren(spans, i) ? found !== null || !collapsed.has(s.span_id) : null
            return (
              <SpanRow
                key={s.span_id} span={s} trace={t} chosen={s.span_id === span} scroll={scroll} at={i} tabbable={i === current} open={open} found={found?.has(i) ?? false}
                onFold={found === null ? () => fold(i, open === true) : null} onFocus={() => setActive(s.span_id)}
              />
            )
          })}
        </tbody>
      </table>
    </>
  )
}

function Outcome({ of: t }: { of: Trace }) {
  return (
    <>
      {OUTCOMES[t.outcome]}
      {t.first_cause && <> First cause: <Text of={t.first_cause.name} />.</>}
      {t.absorbed_by && <> <Text of={t.absorbed_by.name} /> absorbed it.</>}
    </>
  )
}
