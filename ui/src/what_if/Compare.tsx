// Scenarios side by side. All are drawn with one seed, so that small differences between them are real.
import { keepPreviousData, useQueries } from '@tanstack/react-query'
import { answered, api } from '../api/client'
import type { Columns, Selection, Simulation } from '../api/queries'
import { useView } from '../app/view'
import { nameOf } from '../graph/words'
import { about, count } from '../parts/numbers'
import { Failure } from '../parts/states'
import { Text } from '../parts/Text'
import { requestOf, sameScenario, scenariosOf, type Scenario } from './scenario'

const MOST = 4

interface Props {
  current: Scenario
  simulation: Simulation
  columns: Columns | undefined
  selection: Selection
}

export function Compare({ current, simulation, columns, selection }: Props) {
  const { params, change } = useView()
  const kept = scenariosOf(params.getAll('vs'))
  const others = kept.filter((each) => !sameScenario(each, current))
  const asked = useQueries({
    queries: others.map((each) => {
      const wanted = requestOf(each.fail, each.mode, each.method, selection)
      return {
        queryKey: ['simulate', wanted],
        queryFn: ({ signal }: { signal: AbortSignal }) => answered<Simulation>(api.POST('/api/simulate', { body: { ...wanted, preview: true } as never, signal }) as never),
        placeholderData: keepPreviousData,
      }
    }),
  })
  const keep = (scenarios: Scenario[]) => change({ vs: scenarios.map((each) => JSON.stringify(each)) })
  const known = kept.some((each) => sameScenario(each, current))
  const rows = [
    { scenario: current, found: simulation as Simulation | undefined },
    ...others.map((scenario, i) => ({ scenario, found: asked[i]?.data })),
  ].sort((a, b) => (b.found?.blast_radius.runs_lost ?? -1) - (a.found?.blast_radius.runs_lost ?? -1))
  const most = Math.max(...rows.map((each) => each.found?.cases.worst.runs_lost ?? 0), 1)
  const failed = asked.find((each) => each.error)
  return (
    <section className="compare" aria-label="Comparison">
      <header>
        <h2>{others.length ? 'Compared' : 'Compare'}</h2>
        <button type="button" disabled={known || others.length >= MOST - 1} onClick={() => keep([...others, current])}>{known ? 'In the comparison' : 'Keep this one to compare'}</button>
      </header>
      {others.length === 0 && <p className="note">Keep this scenario, then change what fails or how: both are shown side by side.</p>}
      {failed?.error && <Failure error={failed.error} retry={() => void failed.refetch()} />}
      {others.length > 0 && (
        <table className="small">
          <thead><tr><th>What fails</th><th>How</th><th className="n">Runs lost</th><th className="whiskers">Best case to worst case</th><th>Severity</th><th><span className="unseen">Remove</span></th></tr></thead>
          <tbody>
            {rows.map(({ scenario, found }) => (
              <tr key={JSON.stringify(scenario)} className={scenario === current ? 'selected' : undefined}>
                <td>{scenario === current ? <Names of={scenario.fail} columns={columns} /> : <button type="button" className="link" onClick={() => change({ fail: scenario.fail, mode: scenario.mode === 'outage' ? null : scenario.mode, method: scenario.method || null, vs: [...others.filter((o) => o !== scenario), current].map((o) => JSON.stringify(o)) })}><Names of={scenario.fail} columns={columns} /></button>}</td>
                <td>{scenario.mode.replace('_', ' ').replace(':', ' ')}{scenario.method && `, ${scenario.method.replace('_', ' ')}`}</td>
                <td className="n">{about(found?.blast_radius.runs_lost)} of {count(found?.blast_radius.runs_seen)}</td>
                <td>{found && <Whisker low={found.cases.best.runs_lost} high={found.cases.worst.runs_lost} at={found.blast_radius.runs_lost} most={most} />}</td>
                <td>{found?.impact_estimate.severity.toLowerCase()}</td>
                <td>{scenario !== current && <button type="button" className="link" aria-label={`Remove ${scenario.fail.join(' and ')}`} onClick={() => keep(kept.filter((o) => !sameScenario(o, scenario)))}>✕</button>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

function Names({ of, columns }: { of: string[]; columns: Columns | undefined }) {
  return <>{of.map((id, i) => <span key={id}>{i > 0 && ' + '}<Text of={nameOf(columns, id)} /></span>)}</>
}

interface WhiskerProps {
  low: number | null
  high: number | null
  at: number | null
  most: number
}

/** The expectation as a dot on the line from the best case to the worst; the numbers are written beside it. */
function Whisker({ low, high, at, most }: WhiskerProps) {
  if (low === null || high === null || at === null) return <>–</>
  const x = (value: number) => 4 + (value / most) * 152
  return (
    <span className="whisker">
      <svg viewBox="0 0 160 14" width="160" height="14" aria-hidden="true">
        <path d={`M${x(low)} 3v8M${x(high)} 3v8M${x(low)} 7H${x(high)}`} />
        <circle cx={x(at)} cy="7" r="4" />
      </svg>
      {about(low)} to {about(high)}
    </span>
  )
}
