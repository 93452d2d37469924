// What an incident hits, and what belongs to it elsewhere.
import { useState } from 'react'
import { Link } from 'wouter'
import { useView } from '../app/view'
import { KIND_WORDS } from '../graph/kinds'
import { count, plural, time } from '../parts/numbers'
import { Text } from '../parts/Text'
import type { Incident } from './api'

const FIRST = 8

type Placed = Incident['components'][number]

export function Affected({ incident: i }: { incident: Incident }) {
  return (
    <section className="panel">
      <h2>Affected</h2>
      <h3>{plural(i.components.length, 'component')}</h3>
      <Places incident={i} of={i.components} />
      <h3>{plural(i.workflows.length, 'workflow')}</h3>
      <Places incident={i} of={i.workflows} />
    </section>
  )
}

function Places({ incident, of }: { incident: Incident; of: Placed[] }) {
  const [all, setAll] = useState(false)
  const shown = all ? of : of.slice(0, FIRST)
  return (
    <ul className="plain">
      {shown.map((each) => <li key={each.id}><Place incident={incident} of={each} /></li>)}
      {shown.length < of.length && <li><button type="button" className="link" onClick={() => setAll(true)}>Show {of.length - shown.length} more</button></li>}
    </ul>
  )
}

function Place({ incident, of }: { incident: Incident; of: Placed }) {
  const { to } = useView()
  const { dataset, graph_version: version, graph_version_kept: kept } = incident.links
  const there = of.in_newest_graph ? null : kept ? version : undefined
  const name = <Text of={of.name} />
  return (
    <>
      {there === undefined || of.kind === 'workflow' ? <b>{name}</b> : <Link href={to('/component', { dataset, version: there, lookback: null, id: of.id })}>{name}</Link>}
      {of.kind && of.kind !== 'workflow' && <small> {KIND_WORDS[of.kind]}</small>}
      {of.in_newest_graph === false && <small> not in the newest graph</small>}
    </>
  )
}

export function Links({ incident: i }: { incident: Incident }) {
  const { to } = useView()
  const { links: l, blockchain_proof: proof } = i
  return (
    <section className="panel">
      <h2>Links and proof</h2>
      <dl className="facts">
        <dt>Graph</dt>
        <dd>{l.dataset && l.graph_version && l.graph_version_kept ? <Link href={to('/', { dataset: l.dataset, version: l.graph_version })}><Text of={l.dataset} />, as it was known then</Link> : l.graph_version ? 'Deleted since' : 'None'}</dd>
        <dt>Simulation</dt>
        <dd>{l.simulation ? <><code>{l.simulation}</code>{l.simulation_kept === false && ' deleted since'}</> : 'None'}</dd>
        <dt>Audit entries</dt>
        <dd>{i.audit_entries.length > 0 ? <Link href={to('/audit', { incident: i.id })}>{i.audit_entries.length === 1 ? '1 entry' : `${count(i.audit_entries.length)} entries`}</Link> : 'None has its place in the log yet'}{i.audit_entries_waiting > 0 && `, ${count(i.audit_entries_waiting)} waiting`}</dd>
        <dt>Anchored</dt>
        <dd>{proof ? <><Text of={proof.chain} />, block {count(proof.block)}, {time(proof.timestamp)} <code>{proof.tx_hash}</code></> : 'No'}{i.blockchain_proof_reason && <small> <Text of={i.blockchain_proof_reason} /></small>}</dd>
        {i.duplicates.length > 0 && <><dt>Duplicates</dt><dd>{i.duplicates.map((id) => <Link key={id} href={to('/incidents', { id })}><code>{id}</code></Link>)}</dd></>}
        {i.conditions.length > 0 && <><dt>Conditions</dt><dd>{i.conditions.map((key) => <code key={key}><Text of={key} /></code>)}</dd></>}
        <dt>Id</dt><dd><code>{i.id}</code></dd>
      </dl>
    </section>
  )
}
