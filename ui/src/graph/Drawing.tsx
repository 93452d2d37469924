// The layered drawing: lines and marks on a canvas, names as buttons over it.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { useColours } from '../app/appearance'
import { shown } from '../parts/Text'
import { context, drawLine, drawMark, faded, palette, riskColour } from './draw'
import { KIND_WORDS, type Kind } from './kinds'
import type { Layered } from './layered'
import { degrees, GAP, nearest, positions, RADIUS, routed, sizeOf, withReverse, type Places, type Route } from './places'
import { useInView } from './useInView'
import { useLayout } from './useLayout'
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
  /** Whether it stands for several. */
  stack?: boolean
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
  /** Whether it is part of a cycle; where nobody says, what leads back is drawn as one. */
  cycle?: boolean
  /** Written on the line. */
  label?: string
}

interface Props {
  label: string
  nodes: Node[]
  edges: Edge[]
  selected: string | null
  onSelect: (id: string | null) => void
  /** On a double click, and on Shift and Enter. */
  onOpen?: (id: string) => void
  /** Whose neighbours are lit while nothing is pointed at; the selected one's by default. */
  lights?: string | null
  /** Whether the selected node gets the keyboard's focus at first. */
  takesFocus?: boolean
  /** Titles over the ranks. */
  titles?: (ranks: number) => string[]
  /** What to show where the layout takes too long. */
  instead?: ReactNode
}

export function Drawing({ instead, ...props }: Props) {
  const layout = useLayout(props.nodes.length, props.edges, GAP)
  const last = useRef<(Pick<Props, 'nodes' | 'edges'> & { placed: Layered }) | null>(null)
  if (layout === 'late') {
    return (
      <>
        <p className="note pad" role="status">The drawing took longer than 1.5 s to lay out, and is left out.</p>
        {instead}
      </>
    )
  }
  if (layout) last.current = { nodes: props.nodes, edges: props.edges, placed: layout }
  return last.current ? <Picture {...props} {...last.current} busy={layout === null} /> : <div className="drawing" aria-busy="true" />
}

interface PictureProps extends Omit<Props, 'instead'> {
  placed: Layered
  /** Whether a newer picture is being laid out. */
  busy: boolean
}

function Picture({ label, nodes, edges, placed, selected, onSelect, onOpen, titles, lights = selected, takesFocus = false, busy }: PictureProps) {
  const [box, size] = useSize<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  const colours = useColours()
  const [hovered, setHovered] = useState<string | null>(null)
  const { width, height } = sizeOf(placed, size)
  const at = useMemo(() => positions(placed, width, height), [placed, width, height])
  const routes = useMemo(() => routed(edges, placed, at), [edges, placed, at])
  const labelEnds = useMemo(() => endsOfLabels(nodes.length, edges), [nodes, edges])
  const lit = hovered ?? lights
  useInView(box, selected, size.width ? at.nodes[nodes.findIndex((node) => node.id === selected)] : undefined)

  useEffect(() => {
    if (takesFocus) box.current?.querySelector<HTMLElement>('.label.selected')?.focus()
  }, [])
  useEffect(() => {
    const to = canvas.current && size.width ? context(canvas.current, width, height) : null
    if (to) draw(to, nodes, edges, placed, at, routes, lit, selected)
  }, [nodes, edges, placed, at, routes, lit, selected, colours, width, height, size.width])

  const press = (event: KeyboardEvent<HTMLButtonElement>, from: number) => {
    if (event.key === 'Enter' && event.shiftKey && onOpen) {
      event.preventDefault()
      onOpen(nodes[from]?.id ?? '')
    }
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    if (!way) return
    event.preventDefault()
    const next = nearest(at.nodes, from, way[0] ?? 0, way[1] ?? 0)
    if (next !== null) box.current?.querySelector<HTMLElement>(`[data-node="${next}"]`)?.focus()
  }

  return (
    <div className="drawing" ref={box} role="group" aria-label={label} aria-busy={busy}>
      <div className="surface" style={{ width, height }}>
        <canvas ref={canvas} style={{ width, height }} aria-hidden="true" onClick={() => onSelect(null)} />
        {titles?.(placed.ranks).map((title, r) => (
          <span key={r} className="lane-title" style={{ left: at.columns[r] ?? 0 }}>{title}</span>
        ))}
        {edges.map((edge, i) => edge.label && (
          <EdgeLabel
            key={i} edge={edge} route={routes[i] ?? []} dim={lit !== null && weight(edge, nodes, lit) === 0}
            towards={labelEnds[i] ?? 'source'}
          />
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
            onKeyDown={(event) => press(event, i)}
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

/** Labels stand near the end with fewer lines, where they are farther apart; those of opposite lines at their sources. */
function endsOfLabels(n: number, edges: Edge[]): ('source' | 'target')[] {
  const degree = degrees(n, edges)
  const mutual = withReverse(edges)
  return edges.map((edge, i) => (mutual.has(i) || (degree[edge.source] ?? 0) <= (degree[edge.target] ?? 0) ? 'source' : 'target'))
}

function EdgeLabel({ edge, route, towards, dim }: { edge: Edge; route: Route; towards: 'source' | 'target'; dim: boolean }) {
  const [near, next] = towards === 'source' ? route : [...route].reverse()
  if (!near || !next) return null
  const left = near[0] + 0.34 * (next[0] - near[0])
  const top = near[1] + 0.22 * (next[1] - near[1])
  return <span className={`edge-label${edge.failing ? ' bad' : ''}${dim ? ' dim' : ''}`} style={{ left, top }} aria-hidden="true">{edge.label}</span>
}

function draw(
  to: CanvasRenderingContext2D, nodes: Node[], edges: Edge[], placed: Layered, at: Places, routes: Route[], lit: string | null, selected: string | null,
) {
  const colours = palette()
  const order = edges.map((_, i) => i).sort((a, b) => weight(edges[a], nodes, lit) - weight(edges[b], nodes, lit))
  for (const i of order) {
    const edge = edges[i]
    if (!edge) continue
    const touched = weight(edge, nodes, lit) > 0
    const cyclic = edge.cycle ?? placed.back[i] ?? false
    to.globalAlpha = lit && !touched ? faded(0.13) : touched ? 1 : faded(0.75)
    drawLine(to, {
      points: routes[i] ?? [],
      colour: cyclic ? colours.cycle : edge.failing ? colours.r4 : touched ? colours.accent : colours.edge,
      width: edge.width,
      dashed: cyclic,
      arrow: true,
    })
  }
  nodes.forEach((node, i) => {
    const place = at.nodes[i]
    if (!place) return
    to.globalAlpha = node.dim || isFar(lit, i, nodes, edges) ? faded(0.3) : 1
    drawMark(
      to,
      { ...place, r: RADIUS, kind: node.kind, fill: node.fill, colour: riskColour(colours, node.colour), spof: node.spof ?? false, shadow: node.shadow ?? false, stack: node.stack ?? false, selected: node.id === selected },
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
