import type { Columns } from '../api/queries'
import { plural, score } from '../parts/numbers'
import { shown } from '../parts/Text'
import { KIND_WORDS, LEVEL_WORDS, levelOf } from './kinds'

/** Return one sentence about a component, for those who cannot see its mark. */
export function sentence({ components: c }: Columns, i: number): string {
  const risk = c.risk[i] ?? null
  const level = LEVEL_WORDS[levelOf(risk) ?? -1]?.toLowerCase()
  return [
    shown(c.name[i] ?? ''),
    KIND_WORDS[c.kind[i] ?? 'agent'],
    level ? `risk ${score(risk)} ${level}` : 'no risk known',
    ...((c.spof_workflows[i] ?? 0) > 0 ? ['single point of failure'] : []),
    plural(c.callers[i] ?? 0, 'caller'),
  ].join(', ')
}

/** Return the name of the component with this id; the id where the graph has none. */
export const nameOf = (columns: Columns | undefined, id: string): string => columns?.components.name[columns.components.id.indexOf(id)] ?? id
