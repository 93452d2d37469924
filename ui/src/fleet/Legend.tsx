import { useMemo } from 'react'
import type { Columns } from '../api/queries'
import { KIND_WORDS, LEVEL_WORDS, type Kind } from '../graph/kinds'
import { plural } from '../parts/numbers'
import { Shape } from '../parts/Shape'

export function Legend({ columns, failing }: { columns: Columns; failing: boolean }) {
  const kinds = useMemo(() => [...new Set(columns.components.kind)] as Kind[], [columns])
  const spofs = columns.components.spof_workflows.filter((n) => n > 0).length
  return (
    <footer className="legend" aria-label="Legend">
      {kinds.map((kind) => <span key={kind}><Shape kind={kind} risk={null} size={16} />{KIND_WORDS[kind]}</span>)}
      <span className="scale">{LEVEL_WORDS.map((word, i) => <span key={word}><Shape kind="tool" risk={i * 2 + 1} size={14} />{word}</span>)}</span>
      <span><Shape kind="agent" risk={null} spof size={18} />Single point of failure</span>
      <span><i className="line cycle" />Cycle</span>
      {failing && <span><i className="line failing" />Calls of which some failed</span>}
      <span className="totals">
        {plural(columns.components.id.length, 'component')} of {columns.total_components}, {plural(columns.dependencies.source.length, 'dependency').replace('ys', 'ies')}, {plural(spofs, 'SPOF')}, {plural(columns.cycles.length, 'cycle')}
      </span>
    </footer>
  )
}
