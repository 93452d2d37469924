// The risk of a component from version to version: a line in steps, and the same as a table.
import { Link } from 'wouter'
import type { Schemas } from '../api/client'
import { useRiskHistory } from '../api/queries'
import { useView } from '../app/view'
import { count, plural, score, time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'

type Point = Schemas['RiskPointDocument']

const [WIDTH, HEIGHT, LEFT, BOTTOM, HIGHEST] = [760, 180, 28, 20, 10]

export function History({ id }: { id: string }) {
  const { selection } = useView()
  const history = useRiskHistory(id, selection.dataset)
  if (history.error) return <Failure error={history.error} retry={() => void history.refetch()} />
  if (!history.data) return <Waiting what="the history: each kept version is analysed once" />
  const { points, dataset } = history.data
  return (
    <section className="panel">
      <h2>Risk in {plural(points.length, 'kept version')} of <Text of={dataset} /></h2>
      {points.length > 1 ? <Line points={points} /> : <p className="note">Only the newest version is kept: there is nothing to compare it with yet.</p>}
      <table className="small">
        <thead><tr><th>Version of</th><th className="n">Risk</th><th className="n">Range</th><th>Dependencies that changed</th></tr></thead>
        <tbody>{[...points].reverse().map((p) => <Row key={p.graph_version} point={p} dataset={dataset} id={id} />)}</tbody>
      </table>
    </section>
  )
}

function Row({ point, dataset, id }: { point: Point; dataset: string; id: string }) {
  const { to } = useView()
  const changes = [...point.appeared.first.map((d) => ['+', d] as const), ...point.gone.first.map((d) => ['−', d] as const)]
  const more = point.appeared.total + point.gone.total - changes.length
  return (
    <tr>
      <td><Link href={to('/component', { id, dataset, version: point.graph_version, lookback: null })}>{time(point.created_at)}</Link></td>
      <td className="n">{point.present ? score(point.score) : 'not there'}</td>
      <td className="n">{point.score === null ? '–' : `${score(point.score_low)} to ${score(point.score_high)}`}</td>
      <td className="breaks">
        {changes.map(([sign, d]) => <div key={sign + d.source + d.target}>{sign} <Text of={d.source} /> → <Text of={d.target} /></div>)}
        {more > 0 && <div>and {count(more)} more</div>}
        {changes.length === 0 && '–'}
      </td>
    </tr>
  )
}

/** Steps: a risk holds until the next version; where there is none, the line has a gap. */
function Line({ points }: { points: Point[] }) {
  const times = points.map((p) => Date.parse(p.created_at ?? ''))
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0]
  const x = (at: number) => LEFT + ((at - first) / Math.max(last - first, 1)) * (WIDTH - LEFT - 12)
  const y = (value: number) => 8 + (1 - value / HIGHEST) * (HEIGHT - BOTTOM - 8)
  const end = (i: number) => x(times[i + 1] ?? last)
  return (
    <svg className="history" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said(points)}>
      {[0, 5, 10].map((n) => (
        <g key={n}><line className="grid" x1={LEFT} x2={WIDTH} y1={y(n)} y2={y(n)} /><text x={LEFT - 6} y={y(n) + 4} textAnchor="end">{n}</text></g>
      ))}
      {points.map((p, i) => p.score !== null && p.score_low !== null && p.score_high !== null && (
        <g key={p.graph_version}>
          <rect className="range" x={x(times[i] ?? 0)} width={Math.max(end(i) - x(times[i] ?? 0), 2)} y={y(p.score_high)} height={Math.max(y(p.score_low) - y(p.score_high), 1)} />
          <path className="line" d={`M${x(times[i] ?? 0)} ${y(p.score)}H${end(i)}${step(points[i + 1], y)}`} />
          <circle className="mark" cx={x(times[i] ?? 0)} cy={y(p.score)} r={p.appeared.total + p.gone.total > 0 ? 4.5 : 2.5} />
        </g>
      ))}
      <text x={LEFT} y={HEIGHT - 4}>{time(points[0]?.created_at)}</text>
      <text x={WIDTH - 4} y={HEIGHT - 4} textAnchor="end">{time(points.at(-1)?.created_at)}</text>
    </svg>
  )
}

const step = (next: Point | undefined, y: (value: number) => number) => (next && next.score !== null ? `V${y(next.score)}` : '')

function said(points: Point[]): string {
  const scored = points.filter((p) => p.score !== null)
  const [first, last] = [scored[0], scored.at(-1)]
  if (!first || !last) return 'No risk of its own in any of them'
  const changed = points.filter((p) => p.appeared.total + p.gone.total > 0).length
  return `Risk ${score(first.score)} at ${time(first.created_at)}, ${score(last.score)} at ${time(last.created_at)}; dependencies changed in ${plural(changed, 'version')}`
}
