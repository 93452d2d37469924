// What is around a component, within a number of calls; where there are many siblings, most of them fold into one.
import type { Columns } from '../api/queries'
import type { Kind } from './kinds'

export const DIRECTIONS = ['both', 'callers', 'dependencies'] as const
export type Direction = (typeof DIRECTIONS)[number]

/** Places for siblings: of the same kind and owner, equally far away on the same side. */
export const MOST_SIBLINGS = 7
/** Most marks of a drawing with names. */
export const MOST_DRAWN = 80
/** Places for siblings, fewer where the drawing would have too many marks. */
const PLACES = [MOST_SIBLINGS, 4, 2, 1]

/** Siblings that stand behind one mark. */
export interface Fold {
  key: string
  kind: Kind
  /** Null where they have none, or several. */
  owner: string | null
  /** Positions, the highest risk first. */
  members: number[]
}

/** Dependencies between two marks. */
export interface Link {
  source: number
  target: number
  /** Positions of the dependencies. */
  dependencies: number[]
}

export interface Neighbourhood {
  /** All neighbours, the nearest first, without the centre. */
  neighbours: number[]
  /** Positions of the components with a mark of their own; the centre first. */
  drawn: number[]
  folds: Fold[]
  /** Their ends are marks: those of `drawn`, then those of `folds`. */
  links: Link[]
}

interface Reached {
  position: number
  side: Exclude<Direction, 'both'>
  hops: number
}

/** Return what the centre reaches and is reached by, with siblings folded except in `opened` folds. */
export function neighbourhood(
  columns: Columns, centre: number, depth: number, direction: Direction, opened: ReadonlySet<string>,
): Neighbourhood {
  const reached = reach(columns, centre, depth, direction)
  const { drawn, folds } = folded(columns, reached, opened)
  const marks = { drawn: [centre, ...drawn], folds }
  return { neighbours: reached.map((each) => each.position), ...marks, links: linked(columns, marks) }
}

/** Siblings have the same owner or, where no catalog names one, the same service. */
const ownerOf = ({ components: c }: Columns, i: number): string | null => c.owner[i] ?? c.service[i] ?? null

function reach(columns: Columns, centre: number, depth: number, direction: Direction): Reached[] {
  const { source, target } = columns.dependencies
  const next = { callers: neighboursOf(target, source), dependencies: neighboursOf(source, target) }
  const sides = direction === 'both' ? (['callers', 'dependencies'] as const) : [direction]
  const nearest = new Map<number, Reached>()
  for (const side of sides) {
    for (const [position, hops] of distances(next[side], centre, depth)) {
      if (hops < (nearest.get(position)?.hops ?? Infinity)) nearest.set(position, { position, side, hops })
    }
  }
  nearest.delete(centre)
  const risk = (i: number) => columns.components.risk[i] ?? -1
  return [...nearest.values()].sort((a, b) => a.hops - b.hops || risk(b.position) - risk(a.position) || a.position - b.position)
}

/** Calls from the centre to each component, by breadth-first search. */
function distances(next: ReadonlyMap<number, number[]>, centre: number, depth: number): Map<number, number> {
  const found = new Map([[centre, 0]])
  for (const [i, hops] of found) {
    if (hops < depth) for (const k of next.get(i) ?? []) if (!found.has(k)) found.set(k, hops + 1)
  }
  return found
}

function neighboursOf(from: readonly number[], to: readonly number[]): Map<number, number[]> {
  const found = new Map<number, number[]>()
  from.forEach((i, e) => {
    const known = found.get(i)
    if (known) known.push(to[e] ?? 0)
    else found.set(i, [to[e] ?? 0])
  })
  return found
}

function folded(columns: Columns, reached: readonly Reached[], opened: ReadonlySet<string>): Pick<Neighbourhood, 'drawn' | 'folds'> {
  const groups = grouped(columns, reached, (i) => ownerOf(columns, i))
  const attempts = PLACES.map((places) => () => placed(groups, places, opened))
  for (const attempt of attempts) {
    const { drawn, folds } = attempt()
    if (1 + drawn.length + folds.length <= MOST_DRAWN) return { drawn, folds }
  }
  return placed(grouped(columns, reached, () => null), 1, new Set())
}

function grouped({ components: c }: Columns, reached: readonly Reached[], owner: (i: number) => string | null): Fold[] {
  const groups = new Map<string, Fold>()
  for (const { position, side, hops } of reached) {
    const group = { kind: c.kind[position] ?? 'agent', owner: owner(position) }
    const key = [side, hops, group.kind, group.owner ?? ''].join(' ')
    const known = groups.get(key)
    if (known) known.members.push(position)
    else groups.set(key, { key, ...group, members: [position] })
  }
  return [...groups.values()]
}

function placed(groups: readonly Fold[], places: number, opened: ReadonlySet<string>): Pick<Neighbourhood, 'drawn' | 'folds'> {
  const fits = (group: Fold) => opened.has(group.key) || group.members.length <= places
  const own = (group: Fold) => (fits(group) ? group.members : group.members.slice(0, places - 1))
  return {
    drawn: groups.flatMap(own),
    folds: groups.filter((group) => !fits(group)).map((group) => ({ ...group, members: group.members.slice(places - 1) })),
  }
}

/** Dependencies between different marks; those between members of one fold stay in it. */
function linked({ dependencies: d }: Columns, { drawn, folds }: Pick<Neighbourhood, 'drawn' | 'folds'>): Link[] {
  const mark = new Map(drawn.map((position, at) => [position, at]))
  folds.forEach((fold, k) => fold.members.forEach((position) => mark.set(position, drawn.length + k)))
  const links = new Map<string, Link>()
  d.source.forEach((from, e) => {
    const [source, target] = [mark.get(from), mark.get(d.target[e] ?? -1)]
    if (source === undefined || target === undefined || source === target) return
    const known = links.get(`${source} ${target}`)
    if (known) known.dependencies.push(e)
    else links.set(`${source} ${target}`, { source, target, dependencies: [e] })
  })
  return [...links.values()]
}
