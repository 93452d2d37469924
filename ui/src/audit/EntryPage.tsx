// One entry of the audit log, and its verification in this browser.
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { answered, api } from '../api/client'
import { useView } from '../app/view'
import { plural, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Lines, Text } from '../parts/Text'
import { Verification } from './Verification'

export function EntryPage({ index }: { index: number }) {
  const { to } = useView()
  const entry = useQuery({
    queryKey: ['audit-entry', index],
    queryFn: ({ signal }) => answered(api.GET('/api/audit/entries/{index}', { params: { path: { index } }, signal })),
  })
  const e = entry.data
  return (
    <div className="page">
      <p><Link href={to('/audit')}>The whole log</Link></p>
      <h1>Entry {index}{e && <>: <Text of={e.action} /></>}</h1>
      {entry.isPending && <Waiting what="the entry" />}
      {entry.error && <Failure error={entry.error} retry={() => void entry.refetch()} />}
      {e && (
        <div className="columns">
          <section className="panel">
            <h2>What was done</h2>
            <dl className="facts">
              <dt>Time</dt><dd>{time(e.time)}</dd>
              <dt>Actor</dt><dd><Text of={e.actor.id} /> <small><Text of={e.actor.kind} /></small></dd>
              <dt>Action</dt><dd><Link href={to('/audit', { action: e.action })}><Text of={e.action} /></Link></dd>
              <dt>Object</dt><dd>{e.object === null ? 'None' : e.action.startsWith('incident.') ? <Link href={to('/incidents', { id: e.object })}><Text of={e.object} /></Link> : <Text of={e.object} />}</dd>
              <dt>Graph version</dt><dd>{e.graph_version ? <code><Text of={e.graph_version} /></code> : 'None'}</dd>
              {e.trace_ids.length > 0 && <><dt>Traces</dt><dd><details><summary>{plural(e.trace_ids.length, 'cited trace')}</summary>{e.trace_ids.map((id) => <p key={id}><Link href={to('/trace', { id, dataset: null, lookback: null, version: e.graph_version })}><code><Text of={id} /></code></Link></p>)}</details></dd></>}
            </dl>
            <h3>Payload</h3>
            {e.payload_removed
              ? <p className="note">It was removed. The log still proves that the entry was made.</p>
              : <pre className="draft" tabIndex={0} aria-label="Payload"><Lines of={JSON.stringify(e.payload, null, 2)} /></pre>}
          </section>
          <Verification index={index} />
        </div>
      )}
    </div>
  )
}
