// The state of the log, as it is signed.
import { useQuery } from '@tanstack/react-query'
import { answered, api } from '../api/client'
import { CopyButton } from '../parts/CopyButton'
import { count, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Lines, Text } from '../parts/Text'

export function Checkpoint() {
  const checkpoint = useQuery({
    queryKey: ['audit-checkpoint'],
    queryFn: ({ signal }) => answered(api.GET('/api/audit/checkpoint', { signal })),
    refetchOnMount: 'always',
  })
  if (checkpoint.error) return <Failure error={checkpoint.error} retry={() => void checkpoint.refetch()} />
  if (!checkpoint.data) return <Waiting what="the checkpoint" />
  const c = checkpoint.data
  return (
    <div className="columns">
      <section className="panel">
        <h2>Newest checkpoint</h2>
        <dl className="facts">
          <dt>Log</dt><dd><code><Text of={c.origin} /></code></dd>
          <dt>Entries</dt><dd>{count(c.size)}</dd>
          <dt>Root hash</dt><dd><code>{c.root}</code></dd>
          <dt>Signed</dt><dd>{time(c.time)}, as the server says</dd>
        </dl>
        <h3>Signatures</h3>
        <table>
          <thead><tr><th>Signer</th><th>Key</th><th>Kind</th><th>Outcome</th><th className="when">Cosigned</th></tr></thead>
          <tbody>{c.signatures.map((s) => <tr key={s.name + s.key_id}><td><Text of={s.name} /></td><td><code>{s.key_id}</code></td><td>{s.kind}</td><td>{s.outcome}</td><td className="when">{time(s.time)}</td></tr>)}</tbody>
        </table>
      </section>
      <section className="panel">
        <h2>As it is signed</h2>
        <p className="note">Keep it elsewhere: a later proof can then be held against it, and a log that was rewritten since is found out.</p>
        <pre className="draft" tabIndex={0} aria-label="Signed note"><Lines of={c.note} /></pre>
        <div className="buttons"><CopyButton of={c.note} /></div>
      </section>
    </div>
  )
}
