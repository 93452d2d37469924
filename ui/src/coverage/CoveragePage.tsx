// What was read of the traces, how much of it could be used, and what to do about the rest.
import type { ReactNode } from 'react'
import type { Schemas } from '../api/client'
import { useColumns, type Columns } from '../api/queries'
import { useView } from '../app/view'
import { count, percent, plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'

export function CoveragePage() {
  const { selection } = useView()
  const columns = useColumns(selection, 'agent')
  return (
    <div className="page">
      <h1>Coverage</h1>
      {columns.isPending && <Waiting what="the coverage" />}
      {columns.error && <Failure error={columns.error} retry={() => void columns.refetch()} />}
      {columns.data && <Coverage columns={columns.data} />}
    </div>
  )
}

function Coverage({ columns }: { columns: Columns }) {
  const c = columns.coverage
  return (
    <>
      <p className="note">What was read from {time(c.first_seen)} to {time(c.last_seen)}, and how much of it could be used.</p>
      <dl className="tiles">
        <div><dt>spans read</dt><dd>{count(c.spans_read)}</dd></div>
        <div><dt>without duplicates</dt><dd>{count(c.spans)}</dd></div>
        <div><dt>traces</dt><dd>{count(c.traces)}</dd></div>
        <div><dt>spans whose parent is missing</dt><dd>{count(c.orphans)}</dd></div>
      </dl>
      <div className="columns">
        <section className="panel"><h2>Read with these rules</h2><Counts of={c.attributed} heads={['Dialect', 'Spans']} none="No span has a role: the graph is empty." /></section>
        <section className="panel">
          <h2>Without a role</h2>
          <Counts of={c.unattributed} heads={['Instrumentation scope', 'Spans']} none="None." />
          {Object.keys(c.unattributed).length > 0 && <p className="note">No rule knows these spans. <code>agentguard dialects</code> explains a trace and drafts rules.</p>}
        </section>
        <section className="panel"><h2>What could not be used</h2><Losses coverage={c} /></section>
        <section className="panel">
          <h2>Sampling</h2>
          <Counts of={c.sampling} heads={['Sign of sampling', 'Spans']} none="No span says that it was sampled." />
          {Object.keys(c.sampling).length > 0 && <p className="note">Counts are of what arrived. Rates of failure are biased where failing traces are kept more often.</p>}
        </section>
        <section className="panel"><h2>Left out of the graph</h2><Counts of={c.housekeeping} heads={['Health checks, pollers, preparation', 'Spans']} none="None." /><Counts of={c.cardinality_limited} heads={['Names counted together as “other”', 'Names']} none="No kind has too many names." /></section>
      </div>
      <section className="panel">
        <h2>Calls whose trace context is lost</h2>
        {columns.broken_propagation.length === 0 && <p className="note">None was found.</p>}
        {columns.broken_propagation.map((hop, i) => (
          <article key={i}>
            <h3><Text of={hop.caller ?? 'Unknown'} /> → <Text of={hop.callee} /></h3>
            <p>{plural(hop.lost_calls, 'lost call')}, {count(hop.intact_calls)} intact, confidence {percent(hop.confidence)}. <Text of={hop.cause} /></p>
            <p className="note"><Text of={hop.repair} /></p>
          </article>
        ))}
      </section>
    </>
  )
}

const WHAT_TO_DO: { member: 'orphans' | 'parent_cycles' | 'late' | 'duplicates' | 'unresolved_peers' | 'unnamed_model_calls' | 'model_calls_without_usage' | 'outside_window'; words: string; todo: string }[] = [
  { member: 'orphans', words: 'spans whose parent is missing', todo: 'Export the parent’s service too, or raise its sampling.' },
  { member: 'parent_cycles', words: 'spans that are their own ancestors', todo: 'Their exporter writes wrong parent ids.' },
  { member: 'late', words: 'spans that came after their trace was read', todo: 'Shorten the exporters’ batches.' },
  { member: 'duplicates', words: 'duplicates', todo: 'Each is counted once; nothing to do.' },
  { member: 'unresolved_peers', words: 'calls to a peer without a name', todo: 'Set server.address or peer.service on client spans.' },
  { member: 'unnamed_model_calls', words: 'model calls without a model’s name', todo: 'Set gen_ai.request.model.' },
  { member: 'model_calls_without_usage', words: 'model calls without token counts', todo: 'Set gen_ai.usage.input_tokens and gen_ai.usage.output_tokens.' },
  { member: 'outside_window', words: 'spans outside the window', todo: 'Choose a longer window to see them.' },
]

function Losses({ coverage }: { coverage: Schemas['CoverageDocument'] }) {
  const rows = WHAT_TO_DO.filter(({ member }) => (coverage[member] ?? 0) > 0)
  const refused = Object.entries(coverage.refused)
  if (rows.length + refused.length === 0) return <p className="note">Everything that was read was used.</p>
  return (
    <table>
      <thead><tr><th>What</th><th className="n">Spans</th><th>What to do</th></tr></thead>
      <tbody>
        {rows.map(({ member, words, todo }) => <tr key={member}><td>{words}</td><td className="n">{count(coverage[member])}</td><td>{todo}</td></tr>)}
        {refused.map(([reason, n]) => <tr key={reason}><td>refused: <Text of={reason} /></td><td className="n">{count(n)}</td><td /></tr>)}
      </tbody>
    </table>
  )
}

function Counts({ of, heads, none }: { of: Record<string, number>; heads: readonly [string, string]; none: ReactNode }) {
  const rows = Object.entries(of).sort((a, b) => b[1] - a[1])
  if (rows.length === 0) return <p className="note">{none}</p>
  return (
    <table>
      <thead><tr><th>{heads[0]}</th><th className="n">{heads[1]}</th></tr></thead>
      <tbody>{rows.map(([name, n]) => <tr key={name}><td><Text of={name} /></td><td className="n">{count(n)}</td></tr>)}</tbody>
    </table>
  )
}
