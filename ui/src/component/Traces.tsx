// The spans that prove a component, and the trace of the one that is chosen.
import { Link } from 'wouter'
import { useView } from '../app/view'
import { count, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { componentClaim, useEvidence } from '../trace/api'
import { TraceTree } from '../trace/TraceTree'

export function Traces({ id }: { id: string }) {
  const { params, selection, to } = useView()
  const evidence = useEvidence(componentClaim(id), selection)
  if (evidence.error) return <Failure error={evidence.error} retry={() => void evidence.refetch()} />
  if (!evidence.data) return <Waiting what="the spans" />
  const e = evidence.data
  const chosen = e.spans.find((s) => s.trace_id === params.get('trace')) ?? e.spans.find((s) => s.failed) ?? e.spans[0]
  const span = params.get('span') ?? chosen?.span_id ?? null
  return (
    <>
      <section className="panel">
        <h2>Spans that prove it</h2>
        <p><Text of={e.statement} /></p>
        <p className="note">{count(e.spans_cited)} cited{e.total !== null && ` of ${count(e.total)} ${e.counted ?? ''}`}. {e.chosen}{e.notes.map((each) => <span key={each}> <Text of={each} /></span>)}</p>
        <table>
          <thead><tr><th>Time</th><th>Why this one</th><th>Span</th><th>Outcome</th><th>Trace</th></tr></thead>
          <tbody>
            {e.spans.map((s) => (
              <tr key={s.span_id} className={s.span_id === span ? 'selected' : undefined}>
                <td>{time(s.timestamp)}</td>
                <td>{s.reason}</td>
                <td className="breaks">{s.name ? <Text of={s.name} /> : <code><Text of={s.span_id} /></code>}{s.service && <small> in <Text of={s.service} /></small>}</td>
                <td className={s.failed ? 'bad' : undefined}>{s.failed === null ? 'not stored' : s.failed ? 'failed' : 'succeeded'}</td>
                <td><Link href={to('/component', { id, tab: 'traces', trace: s.trace_id, span: s.span_id })}><code><Text of={s.trace_id} /></code></Link></td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {chosen && (
        <section className="panel">
          <h2>Trace <code><Text of={chosen.trace_id} /></code></h2>
          <TraceTree key={chosen.trace_id} id={chosen.trace_id} selection={{ ...selection, dataset: e.dataset ?? selection.dataset ?? '', ...(e.graph_version ? { version: e.graph_version } : {}) }} span={span} scroll={params.has('span')} />
        </section>
      )}
    </>
  )
}
