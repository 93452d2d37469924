// One component: what it is, who calls it, what it calls, and why its risk is what it is.
import { Link } from 'wouter'
import { useComponent, useRisk, type ComponentDetails, type ComponentRisk } from '../api/queries'
import { useView } from '../app/view'
import { KIND_WORDS, LEVEL_WORDS, levelOf } from '../graph/kinds'
import { count, milliseconds, percent, plural, score, time } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { History } from './History'
import { Factors, Neighbours } from './parts'
import { Traces } from './Traces'

const TABS = { overview: 'Overview', neighbours: 'Callers and callees', risk: 'Risk and findings', traces: 'Traces', history: 'History' }

type Tab = keyof typeof TABS

export function ComponentPage() {
  const { params, change, selection, to } = useView()
  const id = params.get('id')
  const details = useComponent(id, selection)
  const risk = useRisk(id, selection)
  const wanted = params.get('tab') ?? 'overview'
  const tab: Tab = wanted in TABS ? (wanted as Tab) : 'overview'
  if (id === null) return <div className="page"><h1>No component is chosen</h1><p><Link href={to('/')}>Choose one in the fleet.</Link></p></div>
  if (details.error) return <div className="page"><h1>Component</h1><Failure error={details.error} retry={() => void details.refetch()} /></div>
  if (!details.data) return <div className="page"><h1 className="unseen">Component</h1><Waiting what="the component" /></div>
  const c = details.data
  const found = risk.data?.risk ?? null
  return (
    <div className="page">
      <header className="page-head">
        <Shape kind={c.kind} risk={found?.score ?? null} spof={Boolean(risk.data?.spof)} shadow={c.shadow === true} size={44} />
        <div className="grow">
          <h1><Text of={c.name} /></h1>
          <p className="note">{KIND_WORDS[c.kind]}{c.environment && <> in <Text of={c.environment} /></>}{c.declared?.owner && <>, owner <Text of={c.declared.owner} /></>} <code><Text of={c.id} /></code></p>
        </div>
        <Link className="button primary" href={to('/what-if', { fail: c.id })}>Simulate its failure</Link>
        <Link className="button" href={to('/', { sel: c.id })}>Show in the fleet</Link>
      </header>
      <div className="segments" role="group" aria-label="Parts of the page">
        {(Object.keys(TABS) as Tab[]).map((name) => (
          <button key={name} type="button" aria-pressed={tab === name} onClick={() => change({ tab: name === 'overview' ? null : name, trace: null, span: null })}>{TABS[name]}</button>
        ))}
      </div>
      {tab === 'overview' && <Overview c={c} risk={risk.data} />}
      {tab === 'neighbours' && (
        <div className="columns">
          <section className="panel"><h2>Called by {c.dependents.length}</h2><Neighbours dependencies={c.dependents} end="source" /></section>
          <section className="panel"><h2>Calls {c.dependencies.length}</h2><Neighbours dependencies={c.dependencies} end="target" /></section>
        </div>
      )}
      {tab === 'risk' && (risk.error ? <Failure error={risk.error} retry={() => void risk.refetch()} /> : risk.data ? <Findings found={risk.data} /> : <Waiting what="the risk" />)}
      {tab === 'traces' && <Traces id={c.id} />}
      {tab === 'history' && <History id={c.id} />}
    </div>
  )
}

function Overview({ c, risk }: { c: ComponentDetails; risk: ComponentRisk | undefined }) {
  const scored = risk?.risk
  return (
    <>
      <dl className="tiles">
        <div><dt>risk, 0 to 10</dt><dd>{score(scored?.score)} <small>{LEVEL_WORDS[levelOf(scored?.score ?? null) ?? -1] ?? ''}</small></dd></div>
        <div><dt>runs seen</dt><dd>{count(c.invocations)}</dd></div>
        <div><dt>of them failed</dt><dd>{count(c.errors)}</dd></div>
        <div><dt>p50</dt><dd>{milliseconds(c.latency_ms?.p50)}</dd></div>
        <div><dt>p95</dt><dd>{milliseconds(c.latency_ms?.p95)}</dd></div>
        <div><dt>confidence that it is one</dt><dd>{percent(c.confidence)}</dd></div>
      </dl>
      <div className="columns">
        <section className="panel">
          <h2>What is known of it</h2>
          <dl className="facts">
            <dt>First seen</dt><dd>{time(c.first_seen)}</dd>
            <dt>Last seen</dt><dd>{time(c.last_seen)}</dd>
            {c.services.length > 0 && <><dt>Services</dt><dd>{c.services.map((s) => <Text key={s} of={`${s} `} />)}</dd></>}
            {c.providers.length > 0 && <><dt>Providers</dt><dd>{c.providers.map((s) => <Text key={s} of={`${s} `} />)}</dd></>}
            {c.spellings.length > 0 && <><dt>Other names</dt><dd>{c.spellings.map((s) => <Text key={s} of={`${s} `} />)}</dd></>}
            {c.input_tokens + c.output_tokens > 0 && <><dt>Tokens</dt><dd>{count(c.input_tokens)} in, {count(c.output_tokens)} out</dd></>}
            <dt>Declared</dt><dd>{c.declared ? <Text of={c.declared.name} /> : 'No'}</dd>
            {c.shadow_reason && <><dt>Shadow</dt><dd><Text of={c.shadow_reason} /></dd></>}
            <dt>Window</dt><dd>{time(c.window.from)} to {time(c.window.to)}</dd>
          </dl>
        </section>
        <section className="panel">
          <h2>Workflows that can reach it</h2>
          <table className="small">
            <thead><tr><th>Workflow</th><th className="n">Runs</th><th className="n">Failed</th></tr></thead>
            <tbody>{c.workflows.map((w) => <tr key={w.id}><td><Text of={w.name} clip /></td><td className="n">{count(w.runs)}</td><td className={`n${w.failed ? ' bad' : ''}`}>{count(w.failed)}</td></tr>)}</tbody>
          </table>
          {c.workflows.length === 0 && <p className="note">None.</p>}
        </section>
      </div>
    </>
  )
}

function Findings({ found }: { found: ComponentRisk }) {
  return (
    <div className="columns">
      <section className="panel">
        <h2>Risk {score(found.risk?.score)}</h2>
        {found.risk ? (
          <>
            <p className="note">{score(found.risk.score_low)} to {score(found.risk.score_high)} over the 95 % range of its failure rate. Each factor adds what stands beside it.</p>
            <Factors risk={found.risk} reasons />
          </>
        ) : <p className="note">At the level of agents it has no risk of its own: its agents do.</p>}
        {found.risk_note && <p className="note">{found.risk_note}</p>}
      </section>
      <section className="panel">
        <h2>Findings</h2>
        {found.spof && (
          <>
            <h3>Single point of failure</h3>
            <table className="small">
              <thead><tr><th>Workflow</th><th className="n">Runs lost</th><th className="n">Share</th></tr></thead>
              <tbody>{found.spof.workflows.map((w) => <tr key={w.id}><td><Text of={w.name} clip /></td><td className="n">{count(w.runs_lost)} of {count(w.runs_seen)}</td><td className="n">{percent(w.share_lost)}</td></tr>)}</tbody>
            </table>
            <p className="note">{found.share_of}</p>
          </>
        )}
        {found.cycles.map((cycle) => <p key={cycle.witness.join()}>Cycle: {[...cycle.witness, cycle.witness[0] ?? ''].map((each, i) => <span key={i}>{i > 0 && ' → '}<code><Text of={each} /></code></span>)}</p>)}
        {found.shared_fates.map((fate) => <p key={fate.group}>Fails together with {plural(fate.members.length, 'component')}: <Text of={`${fate.kind} ${fate.name}`} /></p>)}
        {found.false_redundancies.map((each) => <p key={each.owner + each.members.join()}>Alternatives of <code><Text of={each.owner} /></code> that fail together: {each.members.map((m) => <code key={m}><Text of={m} /></code>)}</p>)}
        {found.run_loops.map((loop) => <p key={loop.run_id + loop.kind}>{loop.kind.replaceAll('_', ' ')}, in {plural(loop.runs, 'run')}</p>)}
        {!found.spof && found.cycles.length + found.shared_fates.length + found.false_redundancies.length + found.run_loops.length === 0 && <p className="note">None.</p>}
      </section>
    </div>
  )
}
