// Which checkpoints are anchored on a chain, and what waits.
import { count, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'
import { useAnchors } from './AuditPage'

export function Anchors() {
  const { data, error, refetch } = useAnchors()
  if (error && !data) return <Failure error={error} retry={() => void refetch()} />
  if (!data) return <Waiting what="the anchors" />
  return (
    <section className="panel">
      <h2>Anchors</h2>
      {!data.anchored_on_a_chain && <p className="note">No chain is set, so the log is anchored nowhere. <code>agentguard audit anchor</code> says what to set.</p>}
      {data.published_in && <p className="note">Checkpoints are published in <code><Text of={data.published_in} /></code>, last {time(data.published_at)}.</p>}
      {data.problems.map((p) => <p key={p.code + p.message} className="bad"><Text of={p.message} /></p>)}
      {data.anchors.length === 0 ? <p className="note">None.</p> : (
        <table>
          <thead><tr><th className="n">Covers</th><th className="when">State</th><th>Chain</th><th>Transaction</th><th className="n">Block</th><th className="when">Time of the block</th><th className="n">Cost</th><th className="when">Problem</th></tr></thead>
          <tbody>
            {data.anchors.map((a) => (
              <tr key={a.size}>
                <td className="n">{count(a.size)}</td>
                <td className="when">{a.state}</td>
                <td>{a.chain ? <Text of={a.chain} /> : '–'}</td>
                <td className="breaks"><code>{a.receipt?.tx_hash ?? a.attempts.at(-1)?.tx_hash ?? '–'}</code></td>
                <td className="n">{count(a.receipt?.block)}</td>
                <td className="when">{time(a.receipt?.timestamp)}</td>
                <td className="n">{a.receipt ? `${a.receipt.cost} ${a.receipt.unit}` : '–'}</td>
                <td className="breaks gap">{a.problem ? <Text of={a.problem.message} /> : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
