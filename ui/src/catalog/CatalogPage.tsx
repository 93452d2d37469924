// What was declared against what was seen: shadow agents, ghosts and drift.
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import { useView } from '../app/view'
import { KIND_WORDS } from '../graph/kinds'
import { CopyButton } from '../parts/CopyButton'
import { count, plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Lines, Text } from '../parts/Text'

type Catalog = Schemas['CatalogDocument']

const MOST = 100

export function CatalogPage() {
  const { selection } = useView()
  const catalog = useQuery({
    queryKey: ['catalog', selection],
    queryFn: ({ signal }) => answered<Catalog>(api.GET('/api/catalog', { params: { query: selection }, signal })),
  })
  return (
    <div className="page">
      <h1>Shadow agents and catalog</h1>
      {catalog.isPending && <Waiting what="the catalog" />}
      {catalog.error && <Failure error={catalog.error} retry={() => void catalog.refetch()} />}
      {catalog.data && <Compared catalog={catalog.data} />}
    </div>
  )
}

function Compared({ catalog }: { catalog: Catalog }) {
  const shadow = catalog.components.filter((c) => catalog.shadow_agents.includes(c.id))
  const unidentified = catalog.components.filter((c) => catalog.unidentified_agents.includes(c.id))
  return (
    <>
      {catalog.note && <p className="note"><Text of={catalog.note} /></p>}
      {!catalog.catalog && <p>Draft one from what was seen: <code>agentguard catalog init</code>, or <a href="api/catalog/draft">download the draft</a>. Then set <code>AGENTGUARD_CATALOG</code>.</p>}
      {catalog.catalog && (
        <dl className="tiles">
          <div><dt>entries declared</dt><dd>{count(catalog.catalog.entries)}</dd></div>
          <div><dt>shadow agents: seen, not declared</dt><dd>{count(catalog.shadow_agents.length)}</dd></div>
          <div><dt>ghosts: declared, not seen for {catalog.ghost_days} days</dt><dd>{count(catalog.ghosts.length)}</dd></div>
          <div><dt>drift: declared otherwise</dt><dd>{count(catalog.drift.length)}</dd></div>
        </dl>
      )}
      {catalog.catalog && <section className="panel"><h2>Shadow agents</h2><Matches of={shadow} /><Entries of={shadow} /></section>}
      {unidentified.length > 0 && <section className="panel"><h2>Agents that no span names</h2><Matches of={unidentified} /></section>}
      {catalog.catalog && (
        <div className="columns">
          <section className="panel">
            <h2>Declared, not seen</h2>
            {catalog.not_seen.length === 0 && <p className="note">None.</p>}
            <ul className="plain">{catalog.not_seen.map((e, i) => <li key={i}><b><Text of={e.name ?? e.id ?? ''} /></b> <Text of={e.reason} /></li>)}</ul>
          </section>
          <section className="panel">
            <h2>Drift</h2>
            {catalog.drift.length === 0 && <p className="note">None.</p>}
            <ul className="plain">{catalog.drift.map((d, i) => <li key={i}><b><Text of={d.entry.name ?? d.entry.id ?? ''} /></b> <Text of={d.reason} /></li>)}</ul>
          </section>
        </div>
      )}
      <section className="panel">
        <h2>{plural(catalog.components.length, 'component')} seen</h2>
        <Matches of={catalog.components} why={catalog.catalog !== null} />
      </section>
    </>
  )
}

/** What declares them: the entries to paste into the catalog, as the API drafts them. */
function Entries({ of }: { of: Schemas['CatalogMatchDocument'][] }) {
  const { params, change, selection } = useView()
  const chosen = params.get('declare') === 'shadow'
  const draft = useQuery({
    queryKey: ['entries', of.map((c) => c.id), selection],
    enabled: chosen && of.length > 0,
    queryFn: ({ signal }) => answered<string>(api.GET('/api/catalog/draft', { params: { query: { ...selection, component: of.slice(0, MOST).map((c) => c.id) } }, parseAs: 'text', signal }) as never),
  })
  if (of.length === 0) return null
  return (
    <>
      <div className="buttons"><button type="button" aria-expanded={chosen} onClick={() => change({ declare: chosen ? null : 'shadow' })}>Declare them</button></div>
      {draft.error && <Failure error={draft.error} retry={() => void draft.refetch()} />}
      {chosen && draft.data && (
        <>
          <p className="note">Add this to the file that <code>AGENTGUARD_CATALOG</code> names, set each owner, and restart the server. {of.length > MOST && `The first ${MOST} of ${count(of.length)}.`}</p>
          <pre className="draft" tabIndex={0} aria-label="Entries"><Lines of={draft.data} /></pre>
          <div className="buttons"><CopyButton of={draft.data} words="Copy the entries" /></div>
        </>
      )}
    </>
  )
}

function Matches({ of, why = true }: { of: Schemas['CatalogMatchDocument'][]; why?: boolean }) {
  const { to } = useView()
  if (of.length === 0) return <p className="note">None.</p>
  return (
    <table>
      <thead><tr><th>Component</th><th>Kind</th><th>Standing</th>{why && <th>Why</th>}<th>Owner</th><th>Last seen</th></tr></thead>
      <tbody>
        {of.map((c) => (
          <tr key={c.id}>
            <td><Link href={to('/component', { id: c.id })}><Text of={c.name} /></Link></td>
            <td>{KIND_WORDS[c.kind]}</td>
            <td>{c.standing.replaceAll('_', ' ')}</td>
            {why && <td><Text of={c.reason} /></td>}
            <td>{c.entry?.owner ? <Text of={c.entry.owner} /> : '–'}</td>
            <td>{time(c.last_seen)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
