// How the failure spreads: from what failed on the left to what depends on it on the right.
import { useMemo, useState } from 'react'
import type { Columns, Simulation } from '../api/queries'
import { Drawing, type Edge, type Node } from '../graph/Drawing'
import { percent } from '../parts/numbers'

const MOST = 80

export function Cascade({ simulation, columns }: { simulation: Simulation; columns: Columns }) {
  const [selected, setSelected] = useState<string | null>(null)
  const { nodes, edges, left } = useMemo(() => picture(simulation, columns), [simulation, columns])
  return (
    <>
      {left > 0 && <p className="note pad">{nodes.length} of {nodes.length + left} components that fail or are hit are drawn: at most 80, the likeliest first, and of services only those that calls lead to.</p>}
      <Drawing
        label="How the failure spreads, from left to right" nodes={nodes} edges={edges} selected={selected} onSelect={setSelected}
        titles={(ranks) => Array.from({ length: ranks }, (_, r) => (r === 0 ? 'Failing' : `Step ${r}`))}
      />
      <p className="legend">The filled part of a mark is the chance that it is hit, which stands below its name. The steps are of calls, not of time.</p>
    </>
  )
}

function picture(simulation: Simulation, { components: c, dependencies: d }: Columns): { nodes: Node[]; edges: Edge[]; left: number } {
  const failed = new Set([...simulation.failed_components, ...simulation.hosted_components.map((h) => h.id)])
  const chance = new Map(simulation.impacted_components.map((each) => [each.id, each.probability]))
  const ids = [...failed, ...[...chance.keys()].filter((id) => !failed.has(id)).sort((a, b) => (chance.get(b) ?? 0) - (chance.get(a) ?? 0))]
  const drawn = ids.slice(0, MOST)
  const place = new Map(drawn.map((id, i) => [id, i]))
  const nodes = drawn.map<Node>((id) => {
    const at = c.id.indexOf(id)
    const share = failed.has(id) ? 1 : (chance.get(id) ?? null)
    const caption = failed.has(id) ? 'fails' : `${percent(share)} hit`
    return { id, name: c.name[at] ?? id, kind: c.kind[at] ?? 'agent', fill: share ?? 0, colour: share === null ? null : share * 9.9, spof: failed.has(id), caption, words: '' }
  })
  const edges = d.source.flatMap<Edge>((source, e) => {
    const caller = place.get(c.id[source] ?? '')
    const callee = place.get(c.id[d.target[e] ?? 0] ?? '')
    if (caller === undefined || callee === undefined || failed.has(c.id[source] ?? '')) return []
    return [{ source: callee, target: caller, width: 1.6, failing: (chance.get(c.id[source] ?? '') ?? 0) >= 0.5 }]
  })
  const reached = new Set(drawn.flatMap((id, i) => (failed.has(id) ? [i] : [])))
  for (const at of reached) for (const e of edges) if (e.source === at) reached.add(e.target)
  const kept = [...reached].sort((a, b) => a - b)
  const after = new Map(kept.map((at, i) => [at, i]))
  return {
    nodes: kept.flatMap((at) => nodes[at] ?? []),
    edges: edges.flatMap((e) => {
      const [source, target] = [after.get(e.source), after.get(e.target)]
      return source === undefined || target === undefined ? [] : [{ ...e, source, target }]
    }),
    left: ids.length - kept.length,
  }
}
