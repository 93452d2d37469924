// The layered drawing: lines and marks on a canvas, names as buttons over it.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { useTheme } from '../app/appearance'
import { shown } from '../parts/Text'
import { context, drawLine, drawMark, palette, riskColour } from './draw'
import { KIND_WORDS, type Kind } from './kinds'
import { layered, type Layered } from './layered'
import { useSize } from './useSize'

export interface Node {
  id: string
  name: string
  kind: Kind
  /** 0 to 1. */
  fill: number
  /** 0 to 10: the colour. */
  colour: number | null
  spof?: boolean
  shadow?: boolean
  dim?: boolean
  /** Under the name. */
  caption?: string
  /** For those who cannot see the picture. */
  words: string
}

export interface Edge {
  source: number
  target: number
  width: number
  failing?: boolean
}

interface Props {
  label: string
  nodes: Node[]
  edges: Edge[]
  selected: string | null
  onSelect: (id: string | null) => void
  onOpen?: (id: string) => void
  /** Titles over the ranks. */
  titles?: (ranks: number) => string[]
}

const GAP = 42
const MOST_STRETCH = 1.7
/** Where names stand beside the marks, rows are nearer. */
const LEAST_STRETCH = 0.62
const BESIDE_BELOW = 0.9
const SIDE = 70
const TOP = 40
const BELOW = 40
const SMALLEST_COLUMN = 116
const RADIUS = 11

export function Drawing({ label, nodes, edges, selected, onSelect, onOpen, titles }: Props) {
  const [box, size] = useSize<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useTheme()
  const [hovered, setHovered] = useState<string | null>(null)
  const placed = useMemo(
    () => layered(nodes.length, edges.map((e) => [e.source, e.target] as const), { gap: GAP }),
    [nodes, edges],
  )
  const width = Math.max(size.width, SIDE * 2 + SMALLEST_COLUMN * Math.max(0, placed.ranks - 1))
  const height = Math.max(size.height - 2, placed.height * LEAST_STRETCH + TOP + BELOW)
  const at = useMemo(() => positions(placed, width, height), [placed, width, height])
  const lit = hovered ?? selected

  useEffect(() => {
    const to = canvas.current && size.width ? context(canvas.current, width, height) : null
    if (to) draw(to, nodes, edges, placed, at, lit, selected)
  }, [nodes, edges, placed, at, lit, selected, theme, width, height, size.width])

  const move = (event: KeyboardEvent<HTMLButtonElement>, from: number) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (!way) return
    event.preventDefault()
    const next = nearest(at.nodes, from, way[0] ?? 0, way[1] ?? 0)
    if (next !== null) box.current?.querySelector<HTMLElement>(`[data-node="${next}"]`)?.focus()
  }

  return (
    <div className="drawing" ref={box} role="group" aria-label={label}>
      <div className="surface" style={{ width, height }}>
        <canvas ref={canvas} style={{ width, height }} aria-hidden="true" onClick={() => onSelect(null)} />
        {titles?.(placed.ranks).map((title, r) => (
          <span key={r} className="lane-title" style={{ left: at.columns[r] ?? 0 }}>{title}</span>
        ))}
        {nodes.map((node, i) => (
          <button
            key={node.id}
            type="button"
            data-node={i}
            className={`label${at.beside ? ' beside' : ''}${node.id === selected ? ' selected' : ''}${node.dim || isFar(lit, i, nodes, edges) ? ' dim' : ''}`}
            style={{ left: at.nodes[i]?.x ?? 0, top: (at.nodes[i]?.y ?? 0) - RADIUS - 3, maxWidth: Math.max(96, at.step - 24) }}
            aria-pressed={node.id === selected}
            onClick={() => onSelect(node.id === selected ? null : node.id)}
            onDoubleClick={() => onOpen?.(node.id)}
            onMouseEnter={() => setHovered(node.id)}
            onMouseLeave={() => setHovered(null)}
            onKeyDown={(event) => move(event, i)}
          >
            <bdi className="clip">{shown(node.name)}</bdi>
            {node.caption && <small> {node.caption}</small>}
            <span className="unseen">, {KIND_WORDS[node.kind]}{node.words && `, ${node.words}`}</span>
          </button>
        ))}
      </div>
    </div>
  )
}

interface Places {
  nodes: { x: number; y: number }[]
  columns: number[]
  step: number
  yOf: (y: number) => number
  /** Whether names stand beside the marks, not below them. */
  beside: boolean
}

function positions(placed: Layered, width: number, height: number): Places {
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

function draw(
  to: CanvasRenderingContext2D, nodes: Node[], edges: Edge[], placed: Layered, at: Places, lit: string | null, selected: string | null,
) {
  const colours = palette()
  const order = edges.map((_, i) => i).sort((a, b) => weight(edges[a], nodes, lit) - weight(edges[b], nodes, lit))
  for (const i of order) {
    const edge = edges[i]
    const from = edge && at.nodes[edge.source]
    const end = edge && at.nodes[edge.target]
    if (!edge || !from || !end) continue
    const touched = weight(edge, nodes, lit) > 0
    const way = end.x >= from.x ? 1 : -1
    const r0 = placed.rank[edge.source] ?? 0
    const bends = (placed.bends[i] ?? []).map((y, k) => [at.columns[r0 + way * (k + 1)] ?? 0, at.yOf(y)] as const)
    to.globalAlpha = lit && !touched ? 0.13 : touched ? 1 : 0.75
    drawLine(to, {
      points: [[from.x + way * (RADIUS + 2), from.y], ...bends, [end.x - way * (RADIUS + 3), end.y]],
      colour: placed.back[i] ? colours.cycle : edge.failing ? colours.r4 : touched ? colours.accent : colours.edge,
      width: edge.width,
      dashed: placed.back[i] ?? false,
      arrow: true,
    })
  }
  nodes.forEach((node, i) => {
    const place = at.nodes[i]
    if (!place) return
    to.globalAlpha = node.dim || isFar(lit, i, nodes, edges) ? 0.3 : 1
    drawMark(
      to,
      { ...place, r: RADIUS, kind: node.kind, fill: node.fill, colour: riskColour(colours, node.colour), spof: node.spof ?? false, shadow: node.shadow ?? false, selected: node.id === selected },
      colours,
    )
  })
  to.globalAlpha = 1
}

const weight = (edge: Edge | undefined, nodes: Node[], lit: string | null) =>
  edge && lit !== null && (nodes[edge.source]?.id === lit || nodes[edge.target]?.id === lit) ? 1 : 0

/** Whether a node is neither the lit one nor a neighbour of it. */
function isFar(lit: string | null, i: number, nodes: Node[], edges: Edge[]): boolean {
  if (lit === null || nodes[i]?.id === lit || !nodes.some((n) => n.id === lit)) return false
  return !edges.some((e) => (e.source === i && nodes[e.target]?.id === lit) || (e.target === i && nodes[e.source]?.id === lit))
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
