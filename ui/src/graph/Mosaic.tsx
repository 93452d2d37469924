// The lane mosaic on a canvas; shared components are named buttons. The table has the same for everybody.
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react'
import type { Columns } from '../api/queries'
import { useColours } from '../app/appearance'
import { plural } from '../parts/numbers'
import { shown } from '../parts/Text'
import { context, drawLine, drawMark, faded, palette, riskColour } from './draw'
import { pack, type Cell, type Mosaic as Packed } from './pack'
import { nearest } from './places'
import { useInView } from './useInView'
import { useSize } from './useSize'
import { sentence } from './words'

interface Props {
  columns: Columns
  matches: (position: number) => boolean
  filtering: boolean
  selected: number | null
  onSelect: (position: number | null) => void
  /** On a double click, and on Shift and Enter. */
  onOpen: (position: number) => void
  /** Whether it gets the keyboard's focus at first. */
  takesFocus: boolean
}

export function Mosaic({ columns, matches, filtering, selected, onSelect, onOpen, takesFocus }: Props) {
  const [box, size] = useSize<HTMLDivElement>()
  const canvas = useRef<HTMLCanvasElement>(null)
  const colours = useColours()
  const [hovered, setHovered] = useState<number | null>(null)
  const [focused, setFocused] = useState(0)
  const packed = useMemo(() => pack(columns, Math.max(600, size.width), Math.max(300, size.height - 4)), [columns, size])
  const cells = useMemo(() => [...packed.cells, ...packed.hubs], [packed])
  const width = Math.max(600, size.width)
  const lit = hovered ?? selected
  useInView(box, selected === null ? null : (columns.components.id[selected] ?? null), size.width ? cells.find((cell) => cell.position === selected) : undefined)

  useEffect(() => {
    if (takesFocus) box.current?.focus()
  }, [])
  useEffect(() => {
    const to = canvas.current && size.width ? context(canvas.current, width, packed.height) : null
    if (to) draw(to, columns, packed, lit, selected, (i) => filtering && !matches(i))
  }, [columns, packed, lit, selected, matches, filtering, colours, width, size.width])

  const cellAt = (event: MouseEvent<HTMLCanvasElement>): Cell | null => {
    const { offsetX: x, offsetY: y } = event.nativeEvent
    return cells.find((cell) => Math.abs(cell.x - x) <= cell.r * 1.2 + 1 && Math.abs(cell.y - y) <= cell.r * 1.2 + 1) ?? null
  }
  const press = (event: KeyboardEvent) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    const here = cells[focused]?.position ?? null
    if (event.key === 'Enter' && event.shiftKey && here !== null) onOpen(here)
    else if (event.key === 'Enter') onSelect(here)
    else if (way) {
      const next = nearest(cells, focused, way[0] ?? 0, way[1] ?? 0) ?? focused
      setFocused(next)
      setHovered(cells[next]?.position ?? null)
    } else return
    event.preventDefault()
  }

  return (
    <div
      className="drawing mosaic" ref={box} role="application" tabIndex={0} onKeyDown={press}
      aria-label="Map of all components. Arrow keys move, Enter selects, Shift and Enter shows what is around it; the table has the same."
    >
      <div className="surface" style={{ width, height: packed.height }}>
        <canvas
          ref={canvas} style={{ width, height: packed.height }} aria-hidden="true"
          onMouseMove={(e) => setHovered(cellAt(e)?.position ?? null)}
          onMouseLeave={() => setHovered(null)}
          onClick={(e) => onSelect(cellAt(e)?.position ?? null)}
          onDoubleClick={(e) => { const cell = cellAt(e); if (cell) onOpen(cell.position) }}
        />
        {packed.lanes.map((lane) => <span key={lane.title} className="lane-title left" style={{ left: lane.x }}>{lane.title}</span>)}
        {packed.hubs.length > 0 && <span className="lane-title left" style={{ left: width - 170 }}>Shared by 3 or more</span>}
        {packed.rows.map((row) => (
          <span key={row.name} className="row-title" style={{ top: row.y + row.height / 2 - 17 }}>
            <b className="clip" title={shown(row.name)}>{shown(row.name)}</b><small>{plural(row.members, 'component')}</small>
          </span>
        ))}
        {packed.hubs.map((hub) => (
          <button
            key={hub.position} type="button" className="hub-label" tabIndex={-1}
            style={{ left: hub.x + 20, top: hub.y - 16 }} onClick={() => onSelect(hub.position)} onDoubleClick={() => onOpen(hub.position)}
            onMouseEnter={() => setHovered(hub.position)} onMouseLeave={() => setHovered(null)}
          >
            <b className="clip">{shown(columns.components.name[hub.position] ?? '')}</b>
            <small>{plural(columns.components.callers[hub.position] ?? 0, 'caller')}</small>
          </button>
        ))}
      </div>
      <p className="tip" aria-live="polite">{hovered === null ? '' : sentence(columns, hovered)}</p>
    </div>
  )
}

function draw(
  to: CanvasRenderingContext2D, columns: Columns, packed: Packed, lit: number | null, selected: number | null, dim: (i: number) => boolean,
) {
  const { components: c, dependencies: d } = columns
  const colours = palette()
  const place = new Map<number, Cell>([...packed.cells, ...packed.hubs].map((cell) => [cell.position, cell]))
  to.strokeStyle = colours.line
  to.lineWidth = 1
  for (const row of packed.rows) {
    to.beginPath()
    to.moveTo(8, row.y + row.height + 0.5)
    to.lineTo((packed.hubs[0]?.x ?? 0) - 60 || to.canvas.width, row.y + row.height + 0.5)
    to.stroke()
  }
  bundles(to, columns, packed, lit, colours.edge)
  const near = new Set<number>()
  if (lit !== null) {
    near.add(lit)
    d.source.forEach((s, e) => {
      const t = d.target[e] ?? 0
      if (s !== lit && t !== lit) return
      near.add(s === lit ? t : s)
      const from = place.get(s)
      const end = place.get(t)
      if (from && end) drawLine(to, { points: [[from.x, from.y], [end.x, end.y]], colour: (d.errors[e] ?? 0) > 0 ? colours.r4 : colours.accent, width: 1.5 })
    })
  }
  for (const cell of place.values()) {
    const i = cell.position
    const risk = c.risk[i] ?? null
    to.globalAlpha = dim(i) || (lit !== null && !near.has(i)) ? faded(0.28) : 1
    drawMark(
      to,
      { ...cell, kind: c.kind[i] ?? 'agent', fill: (risk ?? 0) / 10, colour: riskColour(colours, risk), spof: (c.spof_workflows[i] ?? 0) > 0, shadow: c.shadow[i] === true, selected: i === selected },
      colours,
    )
  }
  to.globalAlpha = 1
}

/** One line per row and shared component, as wide as the square root of its calls. */
function bundles(to: CanvasRenderingContext2D, columns: Columns, packed: Packed, lit: number | null, colour: string) {
  const { dependencies: d } = columns
  const hub = new Map(packed.hubs.map((each) => [each.position, each]))
  const calls = new Map<string, number>()
  d.source.forEach((s, e) => {
    const t = d.target[e] ?? 0
    const row = packed.rowOf[s] ?? -1
    if (hub.has(t) && row >= 0) calls.set(`${row} ${t}`, (calls.get(`${row} ${t}`) ?? 0) + (d.calls[e] ?? 0))
  })
  const most = Math.max(1, ...calls.values())
  to.globalAlpha = faded(lit === null ? 0.35 : 0.1)
  for (const [key, n] of calls) {
    const [row, t] = key.split(' ').map(Number)
    const from = packed.rows[row ?? 0]
    const end = hub.get(t ?? 0)
    if (from && end) drawLine(to, { points: [[end.x - 58, from.y + from.height / 2], [end.x - end.r - 4, end.y]], colour, width: 0.6 + 3 * Math.sqrt(n / most) })
  }
  to.globalAlpha = 1
}
