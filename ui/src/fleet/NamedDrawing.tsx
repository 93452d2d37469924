// All components of a small fleet with their names.
import { useMemo, type ReactNode } from 'react'
import type { Columns } from '../api/queries'
import { Drawing, type Edge, type Node } from '../graph/Drawing'
import { plural, score } from '../parts/numbers'

/** Return a component's mark; its words say what the mark shows. */
export function nodeOf({ components: c }: Columns, i: number, inCycle: ReadonlySet<number>, matches: (position: number) => boolean): Node {
  const spof = (c.spof_workflows[i] ?? 0) > 0
  return {
    id: c.id[i] ?? '',
    name: c.name[i] ?? '',
    kind: c.kind[i] ?? 'agent',
    fill: (c.risk[i] ?? 0) / 10,
    colour: c.risk[i] ?? null,
    spof,
    shadow: c.shadow[i] === true,
    dim: !matches(i),
    words: `risk ${score(c.risk[i])}${spof ? ', single point of failure' : ''}${inCycle.has(i) ? ', in a cycle' : ''}, ${plural(c.callers[i] ?? 0, 'caller')}`,
  }
}

/** The width of a line: the square root of its calls. */
export const widthOf = (calls: number, most: number) => 0.8 + 3.2 * Math.sqrt(calls / Math.max(1, most))

interface Props {
  columns: Columns
  matches: (position: number) => boolean
  inCycle: ReadonlySet<number>
  selected: number | null
  onSelect: (position: number | null) => void
  onOpen: (position: number) => void
  takesFocus: boolean
  instead: ReactNode
}

export function NamedDrawing({ columns, matches, inCycle, selected, onSelect, onOpen, takesFocus, instead }: Props) {
  const { components: c, dependencies: d } = columns
  const nodes = useMemo<Node[]>(() => c.id.map((_, i) => nodeOf(columns, i, inCycle, matches)), [columns, inCycle, matches])
  const edges = useMemo<Edge[]>(() => {
    const most = Math.max(...d.calls)
    return d.source.map((source, e) => ({ source, target: d.target[e] ?? 0, width: widthOf(d.calls[e] ?? 0, most) }))
  }, [columns])
  return (
    <Drawing
      label="Drawing of all components; what depends on something stands to its left" nodes={nodes} edges={edges} instead={instead} takesFocus={takesFocus}
      selected={selected === null ? null : (c.id[selected] ?? null)} onSelect={(id) => onSelect(id === null ? null : c.id.indexOf(id))}
      onOpen={(id) => onOpen(c.id.indexOf(id))}
    />
  )
}
