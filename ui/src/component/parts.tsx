// Parts that show one component, here and beside the map.
import { Link } from 'wouter'
import type { Schemas } from '../api/client'
import { useView } from '../app/view'
import { count, milliseconds, score } from '../parts/numbers'
import { Text } from '../parts/Text'

/** The factors of a risk: each with its contribution, which add up to the score. */
export function Factors({ risk, reasons = false }: { risk: Schemas['RiskDocument']; reasons?: boolean }) {
  return (
    <ul className="factors">
      {risk.factors.map((factor) => (
        <li key={factor.name} title={reasons ? undefined : factor.reason}>
          <span className="name">{factor.name}</span>
          <meter min={0} max={10 * factor.weight} value={factor.contribution} aria-label={factor.name} />
          <b>+{score(factor.contribution)}</b>
          {reasons && <small>{factor.reason}</small>}
        </li>
      ))}
    </ul>
  )
}

interface NeighboursProps {
  dependencies: Schemas['DependencyDocument'][]
  end: 'source' | 'target'
  most?: number
}

export function Neighbours({ dependencies, end, most }: NeighboursProps) {
  const { to } = useView()
  if (dependencies.length === 0) return <p className="note">None was seen.</p>
  const sorted = [...dependencies].sort((a, b) => b.calls - a.calls)
  const rows = most ? sorted.slice(0, most) : sorted
  const name = (d: Schemas['DependencyDocument']) => (end === 'source' ? d.source_name : d.target_name) ?? d[end]
  return (
    <>
      <table className="small">
        <thead><tr><th>{end === 'source' ? 'Caller' : 'Callee'}</th><th className="n">Calls</th><th className="n">Failed</th><th className="n">p95</th></tr></thead>
        <tbody>
          {rows.map((d) => (
            <tr key={`${d.source} ${d.target} ${d.type}`}>
              <td><Link href={to('/component', { id: d[end] })}><Text of={name(d)} clip /></Link></td>
              <td className="n">{count(d.calls)}</td>
              <td className={`n${d.errors ? ' bad' : ''}`}>{count(d.errors)}</td>
              <td className="n">{milliseconds((d.client_latency_ms ?? d.latency_ms)?.p95)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {most !== undefined && sorted.length > most && <p className="note">{most} of {sorted.length}; its page has all.</p>}
    </>
  )
}
