// Where marks, lines and ranks of a layered drawing stand in a stage.
import type { Layered } from './layered'

export const GAP = 42
const MOST_STRETCH = 1.7
/** Where names stand beside the marks, rows are nearer. */
const LEAST_STRETCH = 0.62
const BESIDE_BELOW = 0.9
const SIDE = 70
const TOP = 40
const BELOW = 40
const SMALLEST_COLUMN = 116
export const RADIUS = 11
/** Pixels by which two opposite lines pass beside each other. */
const ASIDE = 4

export interface Places {
  nodes: { x: number; y: number }[]
  columns: number[]
  step: number
  yOf: (y: number) => number
  /** Whether names stand beside the marks, not below them. */
  beside: boolean
}

/** The least size of a drawing in a stage of this size. */
export function sizeOf(placed: Layered, stage: { width: number; height: number }): { width: number; height: number } {
  return {
    width: Math.max(stage.width, SIDE * 2 + SMALLEST_COLUMN * Math.max(0, placed.ranks - 1)),
    height: Math.max(stage.height - 2, placed.height * LEAST_STRETCH + TOP + BELOW),
  }
}

export function positions(placed: Layered, width: number, height: number): Places {
  const stretch = Math.min(MOST_STRETCH, Math.max(LEAST_STRETCH, (height - TOP - BELOW) / Math.max(1, placed.height)))
  const beside = stretch < BESIDE_BELOW
  const left = beside ? SIDE / 2 : SIDE
  const step = placed.ranks > 1 ? (width - left - (beside ? 2 * SIDE : SIDE)) / (placed.ranks - 1) : 0
  const columns = Array.from({ length: placed.ranks }, (_, r) => (placed.ranks > 1 ? left + r * step : width / 2))
  const shift = TOP + (height - TOP - BELOW - placed.height * stretch) / 2
  const yOf = (y: number) => y * stretch + shift
  return {
    nodes: placed.rank.map((r, i) => ({ x: columns[r] ?? 0, y: yOf(placed.y[i] ?? 0) })),
    columns,
    step: step || 200,
    yOf,
    beside,
  }
}

interface Ends {
  source: number
  target: number
}

export type Route = (readonly [number, number])[]

/** The points that each edge passes, from the mark of its source to that of its target. */
export function routed(edges: readonly Ends[], placed: Layered, at: Places): Route[] {
  const mutual = withReverse(edges)
  return edges.map((edge, i) => {
    const [from, end] = [at.nodes[edge.source], at.nodes[edge.target]]
    if (!from || !end) return []
    const aside = mutual.has(i) ? Math.sign(edge.source - edge.target) * ASIDE : 0
    const way = end.x >= from.x ? 1 : -1
    const rank = placed.rank[edge.source] ?? 0
    const bends = (placed.bends[i] ?? []).map((y, k) => [at.columns[rank + way * (k + 1)] ?? 0, at.yOf(y)] as const)
    const route: Route = [[from.x + way * (RADIUS + 2), from.y], ...bends, [end.x - way * (RADIUS + 3), end.y]]
    return route.map(([x, y]) => [x, y + aside])
  })
}

/** Positions of the edges whose ends depend on each other: one line would hide the other. */
export function withReverse(edges: readonly Ends[]): Set<number> {
  const there = new Set(edges.map(({ source, target }) => `${source} ${target}`))
  return new Set(edges.flatMap(({ source, target }, i) => (source !== target && there.has(`${target} ${source}`) ? [i] : [])))
}

/** How many lines end at each node. */
export function degrees(n: number, edges: readonly Ends[]): number[] {
  const found = new Array<number>(n).fill(0)
  for (const { source, target } of edges) for (const end of [source, target]) found[end] = (found[end] ?? 0) + 1
  return found
}

/** The nearest node in a direction; those straight ahead count as nearer. */
export function nearest(places: readonly { x: number; y: number }[], from: number, dx: number, dy: number): number | null {
  const here = places[from]
  let best: number | null = null
  let least = Infinity
  places.forEach((place, i) => {
    if (!here || i === from) return
    const ahead = (place.x - here.x) * dx + (place.y - here.y) * dy
    const aside = Math.abs((place.x - here.x) * dy) + Math.abs((place.y - here.y) * dx)
    if (ahead > 1 && ahead + 2 * aside < least) {
      least = ahead + 2 * aside
      best = i
    }
  })
  return best
}
