// The lane mosaic: a row per owner or service, a lane per kind, a cell per component, shared ones on the right.
import type { Columns } from '../api/queries'
import type { Kind } from './kinds'

export interface Cell {
  position: number
  x: number
  y: number
  r: number
}

export interface Row {
  name: string
  members: number
  y: number
  height: number
}

export interface Mosaic {
  cells: Cell[]
  rows: Row[]
  lanes: { title: string; x: number; width: number }[]
  hubs: Cell[]
  /** Per component, its row; -1 for shared ones. */
  rowOf: number[]
  height: number
}

const LANES: readonly { title: string; kinds: readonly Kind[]; share: number }[] = [
  { title: 'Services', kinds: ['service', 'workflow'], share: 0.18 },
  { title: 'Agents', kinds: ['agent'], share: 0.45 },
  { title: 'Tools and others', kinds: ['tool', 'model', 'mcp_server', 'datastore', 'queue', 'external'], share: 0.37 },
]
const MOST_HUBS = 18
const ROWS_OF_HUB = 3
const TITLE = 34
const NAME = 132
const HUBS = 210
const LARGEST = 25
const SMALLEST = 4.5
const LOWEST_ROW = 40
const FEWEST_ROWS = 8

/** Place all components in a stage of this size; it may grow higher where rows need it. */
export function pack(columns: Columns, width: number, height: number): Mosaic {
  const { components: c, dependencies: d } = columns
  const n = c.id.length
  const names = c.id.map((_, i) => c.owner[i] ?? c.service[i] ?? 'No service')
  const callingRows = Array.from({ length: n }, () => new Set<string>())
  d.source.forEach((s, e) => callingRows[d.target[e] ?? 0]?.add(names[s] ?? ''))
  const hubs = new Set(
    [...Array(n).keys()]
      .filter((i) => (callingRows[i]?.size ?? 0) >= ROWS_OF_HUB && c.kind[i] !== 'agent' && c.kind[i] !== 'workflow')
      .sort((a, b) => (c.callers[b] ?? 0) - (c.callers[a] ?? 0) || a - b)
      .slice(0, MOST_HUBS),
  )
  const groups = new Map<string, number[]>()
  for (let i = 0; i < n; i++) {
    if (hubs.has(i)) continue
    const members = groups.get(names[i] ?? '')
    if (members) members.push(i)
    else groups.set(names[i] ?? '', [i])
  }
  const risk = (i: number) => c.risk[i] ?? 0
  const ranked = [...groups]
    .map(([name, members]) => ({ name, members, total: members.reduce((sum, i) => sum + risk(i), 0) }))
    .sort((a, b) => b.total - a.total || a.name.localeCompare(b.name))
  const sorted = fitted(ranked, Math.max(FEWEST_ROWS, Math.floor((height - TITLE) / LOWEST_ROW)))
  const used = LANES.filter((lane) => sorted.some((row) => row.members.some((i) => lane.kinds.includes(c.kind[i] ?? 'agent'))))
  const free = width - NAME - (hubs.size ? HUBS : 0) - 16
  const whole = used.reduce((sum, lane) => sum + lane.share, 0)
  let x = NAME
  const lanes = used.map((lane) => {
    const placed = { ...lane, x, width: (free * lane.share) / whole }
    x += placed.width
    return placed
  })
  const inLane = (members: number[], kinds: readonly Kind[]) =>
    members.filter((i) => kinds.includes(c.kind[i] ?? 'agent')).sort((a, b) => risk(b) - risk(a) || a - b)
  const rowHeight = (members: number[], size: number) =>
    Math.max(LOWEST_ROW - 10, ...lanes.map((lane) => Math.ceil(inLane(members, lane.kinds).length / perLine(lane.width, size)) * size)) + 10
  let size = LARGEST
  const total = () => sorted.reduce((sum, row) => sum + rowHeight(row.members, size), TITLE)
  while (size > SMALLEST && total() > height) size -= 0.5
  const cells: Cell[] = []
  const rowOf = new Array<number>(n).fill(-1)
  let y = TITLE
  const rows = sorted.map(({ name, members }, index) => {
    const row = { name, members: members.length, y, height: rowHeight(members, size) }
    for (const lane of lanes) {
      const line = perLine(lane.width, size)
      const found = inLane(members, lane.kinds)
      const used = Math.ceil(found.length / line) * size
      found.forEach((position, k) => {
        rowOf[position] = index
        cells.push({
          position,
          x: lane.x + (k % line) * size + size / 2,
          y: y + (row.height - used) / 2 + Math.floor(k / line) * size + size / 2,
          r: size > 12 ? size * 0.34 : size * 0.42,
        })
      })
    }
    y += row.height
    return row
  })
  const tall = Math.max(y, height)
  const step = Math.min(64, (tall - TITLE) / Math.max(1, hubs.size))
  const start = TITLE + (tall - TITLE - step * hubs.size) / 2
  const placed = [...hubs].map((position, k) => ({ position, x: width - HUBS + 40, y: start + step * (k + 0.5), r: Math.min(13, step * 0.3) }))
  return { cells, rows, lanes: lanes.map(({ title, x, width }) => ({ title, x, width })), hubs: placed, rowOf, height: tall }
}

interface Group {
  name: string
  members: number[]
}

/** At most `most` rows: the first third keep rows of their own, the others share rows in order of their names. */
function fitted(ranked: Group[], most: number): Group[] {
  if (ranked.length <= most) return ranked
  const own = ranked.slice(0, Math.floor(most / 3))
  const others = ranked.slice(own.length).sort((a, b) => byName.compare(a.name, b.name))
  const share = others.reduce((sum, each) => sum + each.members.length, 0) / (most - own.length)
  const rows: Group[][] = []
  let seen = 0
  for (const each of others) {
    const row = Math.min(most - own.length - 1, Math.floor(seen / share))
    ;(rows[row] ??= []).push(each)
    seen += each.members.length
  }
  return [...own, ...rows.filter(Boolean).map(together)]
}

function together(groups: Group[]): Group {
  const [first, last] = [groups[0]?.name ?? '', groups.at(-1)?.name ?? '']
  return { name: groups.length > 1 ? `${first} … ${last}` : first, members: groups.flatMap((each) => each.members) }
}

const byName = new Intl.Collator('en', { numeric: true })
const perLine = (width: number, size: number) => Math.max(1, Math.floor((width - 14) / size))
