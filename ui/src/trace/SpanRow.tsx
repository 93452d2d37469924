// One span of a trace: its names, who called it, and when it ran.
import { useEffect, useRef } from 'react'
import { Link } from 'wouter'
import { useView } from '../app/view'
import { milliseconds } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Text } from '../parts/Text'
import type { Trace, TreeSpan } from './api'

interface RowProps {
  span: TreeSpan
  trace: Trace
  /** Whether the address names it. */
  chosen: boolean
  scroll: boolean
  at: number
  tabbable: boolean
  /** Whether the spans below it are shown; null where there are none. */
  open: boolean | null
  /** Whether it matches what is searched. */
  found: boolean
  onFold: (() => void) | null
  onFocus: () => void
}

/** A row of the tree; the arrow keys move between rows. */
export function SpanRow({ span: s, trace, chosen, scroll, at, tabbable, open, found, onFold, onFocus }: RowProps) {
  const { to } = useView()
  const row = useRef<HTMLTableRowElement>(null)
  useEffect(() => { if (chosen && scroll) row.current?.scrollIntoView({ block: 'center' }) }, [chosen, scroll])
  const c = s.component
  const states = [s.failed ? 'failed' : '', s.on_failing_path ? 'failing-path' : '', chosen ? 'selected' : '', found ? 'found' : '']
  return (
    <tr
      ref={row} role="row" className={states.join(' ')} aria-current={chosen ? 'true' : undefined} aria-level={s.depth + 1} aria-expanded={open ?? undefined}
      data-span={at} tabIndex={tabbable ? 0 : -1} onFocus={onFocus}
    >
      <td className="breaks">
        <span className="span-name" style={{ paddingLeft: `${Math.min(s.depth, 24) * 14}px` }}>
          {open === null || onFold === null
            ? <span className="fold" />
            : <button type="button" className="fold" tabIndex={-1} aria-label={open ? 'Collapse' : 'Expand'} onClick={onFold}>{open ? '▾' : '▸'}</button>}
          {s.on_failing_path && <span className="unseen">On the failing path. </span>}
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
