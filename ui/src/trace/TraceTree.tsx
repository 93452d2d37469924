// One trace as a tree of spans with their times, and where it failed.
import { useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import type { Selection } from '../api/queries'
import { useView } from '../app/view'
import { count, milliseconds, plural, time } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { useTrace, type Trace, type TreeSpan } from './api'

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
  const rows = only ? t.spans.filter((s) => s.on_failing_path) : t.spans
  return (
    <>
      <p className="impact"><Outcome of={t} /></p>
      <p className="note">
        Began {time(t.started_at)}, took {milliseconds(t.duration_ms)}; {count(t.spans_shown)} of {plural(t.spans_total, 'span')} shown, {count(t.failed_spans)} failed.
        {t.notes.map((each) => <span key={each}> <Text of={each} /></span>)}
      </p>
      {t.failing_path.length > 0 && (
        <div className="segments" role="group" aria-label="Spans">
          <button type="button" aria-pressed={!only} onClick={() => setOnly(false)}>All spans</button>
          <button type="button" aria-pressed={only} onClick={() => setOnly(true)}>Only the failing path</button>
        </div>
      )}
      <table className="spans">
        <thead><tr><th>Span</th><th>Called by</th><th className="n">Took</th><th className="bar-cell">When, within the trace</th></tr></thead>
        <tbody>{rows.map((s) => <SpanRow key={s.span_id} span={s} trace={t} chosen={s.span_id === span} scroll={scroll} />)}</tbody>
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

interface RowProps {
  span: TreeSpan
  trace: Trace
  chosen: boolean
  scroll: boolean
}

function SpanRow({ span: s, trace, chosen, scroll }: RowProps) {
  const { to } = useView()
  const row = useRef<HTMLTableRowElement>(null)
  useEffect(() => { if (chosen && scroll) row.current?.scrollIntoView({ block: 'center' }) }, [chosen, scroll])
  const c = s.component
  const states = [s.failed ? 'failed' : '', s.on_failing_path ? 'failing-path' : '', chosen ? 'selected' : '']
  return (
    <tr ref={row} className={states.join(' ')} aria-current={chosen ? 'true' : undefined}>
      <td className="breaks">
        <span className="span-name" style={{ paddingLeft: `${Math.min(s.depth, 24) * 14}px` }}>
          <span className="unseen">Level {s.depth + 1}{s.on_failing_path && ', on the failing path'}. </span>
          {c ? <Shape kind={c.kind} risk={null} size={16} /> : <span className="no-shape" />}
          <span>
            {c ? <Link href={to('/component', { dataset: trace.dataset, version: trace.graph_version, id: c.id })}><Text of={s.name} /></Link> : <Text of={s.name} />}
            {c && c.name !== s.name && <small> <Text of={c.name} /></small>}
            {s.service && <small> in <Text of={s.service} /></small>}
            {s.failed && <b className="bad"> failed</b>}
            {s.span_id === trace.first_cause?.span_id && <b className="tag strong">First cause</b>}
            {s.span_id === trace.absorbed_by?.span_id && <span className="tag">Absorbed it</span>}
            {s.parent === 'missing' && <small> its parent is not stored</small>}
          </span>
        </span>
      </td>
      <td className="breaks">{s.owner ? <span title={s.owner.why}><Text of={s.owner.component.name} /></span> : '–'}</td>
      <td className="n">{milliseconds(s.duration_ms)}</td>
      <td className="bar-cell"><Bar span={s} trace={trace} /></td>
    </tr>
  )
}

/** The span's place in the time of the trace; the picture only, its numbers stand beside it. */
function Bar({ span: s, trace: t }: { span: TreeSpan; trace: Trace }) {
  if (!s.start || !t.started_at || s.duration_ms === null || !t.duration_ms) return null
  const from = Math.max(0, Math.min(100, (100 * (instant(s.start) - instant(t.started_at))) / t.duration_ms))
  const width = Math.max(0.4, Math.min(100 - from, (100 * s.duration_ms) / t.duration_ms))
  return <svg className="time-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect x={Math.min(from, 99.6)} width={width} y="0" height="8" /></svg>
}

/** Milliseconds of an API time, which has nanoseconds. */
const instant = (text: string) => Date.parse(`${text.slice(0, 19)}Z`) + Number(`0${text.slice(19, -1)}`) * 1000
