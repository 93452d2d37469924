// What is around one component, drawn with names; where siblings are many, they fold.
import { useMemo, type ReactNode } from 'react'
import type { Columns } from '../api/queries'
import { useView } from '../app/view'
import { Drawing, type Edge, type Node } from '../graph/Drawing'
import { KIND_WORDS } from '../graph/kinds'
import { DIRECTIONS, MOST_DRAWN, neighbourhood, type Direction, type Fold, type Link, type Neighbourhood } from '../graph/neighbourhood'
import { count, milliseconds, plural } from '../parts/numbers'
import { shown, Text } from '../parts/Text'
import { nodeOf, widthOf } from './NamedDrawing'

const DIRECTION_WORDS: Record<Direction, string> = { both: 'Both', callers: 'Callers', dependencies: 'Dependencies' }
const LABELS = { none: 'No labels', calls: 'Calls', errors: 'Failed calls', p95: 'p95' }
type Labels = keyof typeof LABELS
const DEEPEST = 3

/** The parts of the address that only this view has. */
export const FOCUS_PARTS = ['centre', 'depth', 'dir', 'labels', 'open', 'as'] as const

interface Props {
  columns: Columns
  matches: (position: number) => boolean
  inCycle: ReadonlySet<number>
  centre: number
  selected: number | null
  takesFocus: boolean
  table: (positions: number[], onSelect: (position: number | null) => void) => ReactNode
}

export function Focus({ columns, matches, inCycle, centre, selected, takesFocus, table }: Props) {
  const { params, change } = useView()
  const { components: c } = columns
  const depth = Math.min(DEEPEST, Math.max(1, Number(params.get('depth')) || 1))
  const direction = DIRECTIONS.find((each) => each === params.get('dir')) ?? 'both'
  const labels = (params.get('labels') ?? 'none') as Labels
  const opened = params.getAll('open')
  const found = useMemo(
    () => neighbourhood(columns, centre, depth, direction, new Set(opened)),
    [columns, centre, depth, direction, opened.join('\n')],
  )
  const nodes = useMemo(() => marks(columns, found, inCycle, matches), [columns, found, inCycle, matches])
  const edges = useMemo(() => lines(columns, found, labels), [columns, found, labels])
  const inTable = params.get('as') === 'table'

  const choose = (id: string | null) => {
    const fold = found.folds.find((each) => idOf(each) === id)
    if (!fold) change({ sel: id, centre: c.id[centre] ?? null })
    else if (fits(found, fold)) change({ open: [...opened, fold.key] })
    else change({ as: 'table', q: filterOf(columns, fold) })
  }
  const all = table([centre, ...found.neighbours].filter(matches), (i) => choose(i === null ? null : (c.id[i] ?? null)))
  const open = (id: string) => {
    if (c.id.includes(id)) change({ sel: id, centre: null, open: null })
  }
  return (
    <>
      <div className="bar">
        <Choice label="Depth" values={[1, 2, 3].map(String)} value={String(depth)} words={(n) => n} onChoose={(n) => change({ depth: n === '1' ? null : n, open: null })} />
        <Choice label="Direction" values={DIRECTIONS} value={direction} words={(each) => DIRECTION_WORDS[each]} onChoose={(dir) => change({ dir: dir === 'both' ? null : dir, open: null })} />
        <select aria-label="Labels of the lines" value={labels in LABELS ? labels : 'none'} onChange={(e) => change({ labels: e.target.value === 'none' ? null : e.target.value })}>
          {Object.entries(LABELS).map(([value, words]) => <option key={value} value={value}>{words}</option>)}
        </select>
        <button type="button" aria-pressed={inTable} onClick={() => change({ as: inTable ? null : 'table' })}>As a table</button>
        {opened.length > 0 && <button type="button" onClick={() => change({ open: null })}>Fold again</button>}
        {selected !== null && selected !== centre && <button type="button" onClick={() => open(c.id[selected] ?? '')}>Focus on the selected</button>}
      </div>
      <p className="note pad" role="status"><Summary columns={columns} centre={centre} depth={depth} direction={direction} found={found} /></p>
      <Cycles columns={columns} found={found} />
      {inTable ? all : (
        <>
          <Drawing
            label="Drawing of what is around the component; what depends on something stands to its left" nodes={nodes} edges={edges} instead={all}
            selected={selected === null ? null : (c.id[selected] ?? null)} lights={selected === centre || selected === null ? null : (c.id[selected] ?? null)}
            onSelect={choose} onOpen={open} takesFocus={takesFocus}
          />
          <ul className="unseen" aria-label="Dependencies drawn">{found.links.map((link) => <li key={`${link.source} ${link.target}`}>{inWords(columns, nodes, link)}</li>)}</ul>
        </>
      )}
    </>
  )
}

interface ChoiceProps<T extends string> {
  label: string
  values: readonly T[]
  value: T
  words: (value: T) => string
  onChoose: (value: T) => void
}

function Choice<T extends string>({ label, values, value, words, onChoose }: ChoiceProps<T>) {
  return (
    <div className="choice-of">
      <span aria-hidden="true">{label}</span>
      <div className="segments" role="group" aria-label={label}>
        {values.map((each) => <button key={each} type="button" aria-pressed={each === value} onClick={() => onChoose(each)}>{words(each)}</button>)}
      </div>
    </div>
  )
}

const WHO: Record<Direction, string> = { both: 'callers and dependencies', callers: 'callers', dependencies: 'dependencies' }

function Summary({ columns, centre, depth, direction, found }: { columns: Columns; centre: number; depth: number; direction: Direction; found: Neighbourhood }) {
  const folded = found.folds.reduce((sum, fold) => sum + fold.members.length, 0)
  return (
    <>
      <b><Text of={columns.components.name[centre] ?? ''} /></b> has {count(found.neighbours.length)} {WHO[direction]} within {plural(depth, 'call')}: {count(found.drawn.length - 1)} drawn
      {folded > 0 && <>, {count(folded)} folded with others of their kind and owner</>}.
    </>
  )
}

/** The members of each cycle that is drawn, in words. */
function Cycles({ columns, found }: { columns: Columns; found: Neighbourhood }) {
  const drawn = new Set(found.drawn)
  const near = columns.cycles.filter((cycle) => cycle.some((i) => drawn.has(i)))
  return near.map((cycle) => (
    <p key={cycle.join()} className="note pad cycle-words">
      <span className="tag cycle">Cycle of {cycle.length}</span>
      {cycle.map((i, k) => <span key={i}>{k > 0 && ', '}<Text of={columns.components.name[i] ?? ''} /></span>)} depend on each other.
    </p>
  ))
}

const idOf = (fold: Fold) => `fold ${fold.key}`

const fits = (found: Neighbourhood, fold: Fold) => found.drawn.length + found.folds.length - 1 + fold.members.length <= MOST_DRAWN

const foldName = ({ members, kind, owner }: Fold) =>
  `+${count(members.length)} ${KIND_WORDS[kind].replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase())}${members.length === 1 ? '' : 's'}${owner === null ? '' : ` of ${owner}`}`

/** The filter that finds the siblings of a fold in the table. */
function filterOf(columns: Columns, { kind, owner, members }: Fold): string {
  const term = columns.components.owner[members[0] ?? 0] === null ? 'service' : 'owner'
  return owner === null || owner.includes('"') ? `kind:${kind}` : `kind:${kind} ${term}:"${owner}"`
}

function marks(columns: Columns, found: Neighbourhood, inCycle: ReadonlySet<number>, matches: (position: number) => boolean): Node[] {
  const folds = found.folds.map<Node>((fold) => ({
    id: idOf(fold), name: foldName(fold), kind: fold.kind, fill: 0, colour: null, stack: true, dim: !fold.members.some(matches),
    words: fits(found, fold) ? 'folded: opens here' : 'folded: opens in the table',
  }))
  return [...found.drawn.map((i) => nodeOf(columns, i, inCycle, matches)), ...folds]
}

function lines(columns: Columns, found: Neighbourhood, labels: Labels): Edge[] {
  const { dependencies: d, cycles } = columns
  const cycleOf = new Map(cycles.flatMap((cycle, k) => cycle.map((i) => [i, k] as const)))
  const callsOf = (link: Link) => link.dependencies.reduce((sum, e) => sum + (d.calls[e] ?? 0), 0)
  const most = Math.max(1, ...found.links.map(callsOf))
  return found.links.map((link) => {
    const cycle = link.dependencies.some((e) => cycleOf.has(d.source[e] ?? -1) && cycleOf.get(d.source[e] ?? -1) === cycleOf.get(d.target[e] ?? -1))
    const failing = link.dependencies.some((e) => (d.errors[e] ?? 0) > 0)
    const label = labelOf(columns, found, link, labels)
    return { source: link.source, target: link.target, width: widthOf(callsOf(link), most), cycle, failing, ...(label === null ? {} : { label }) }
  })
}

/** The API's numbers as they are, so there is none where a line stands for calls of several components. */
function labelOf({ dependencies: d }: Columns, { drawn }: Neighbourhood, { source, target, dependencies }: Link, labels: Labels): string | null {
  if (!(labels in LABELS) || labels === 'none' || source >= drawn.length || target >= drawn.length) return null
  const written = { calls: (e: number) => count(d.calls[e]), errors: (e: number) => count(d.errors[e]), p95: (e: number) => milliseconds(d.p95_ms[e]) }[labels]
  return dependencies.map(written).join(' + ')
}

function inWords({ dependencies: d }: Columns, nodes: Node[], link: Link): string {
  const numbers = link.dependencies.map((e) => `${plural(d.calls[e] ?? 0, 'call')}, ${count(d.errors[e])} failed`)
  const what = link.dependencies.length > 1 ? `${numbers.length} dependencies` : numbers[0]
  return `${shown(nodes[link.source]?.name ?? '')} depends on ${shown(nodes[link.target]?.name ?? '')}: ${what}`
}
