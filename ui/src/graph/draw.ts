// Drawing on a canvas: marks and lines. Colours come from the page's tokens.
import { wantsContrast } from '../app/appearance'
import { CORNERS, levelOf, type Kind } from './kinds'

export type Palette = Record<'bg' | 'panel' | 'line' | 'strong' | 'text' | 'muted' | 'accent' | 'cycle' | 'edge' | 'r0' | 'r1' | 'r2' | 'r3' | 'r4', string>

const NAMES = ['bg', 'panel', 'line', 'strong', 'text', 'muted', 'accent', 'cycle', 'edge', 'r0', 'r1', 'r2', 'r3', 'r4'] as const

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement)
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Palette
}

export const riskColour = (colours: Palette, risk: number | null): string =>
  [colours.r0, colours.r1, colours.r2, colours.r3, colours.r4][levelOf(risk) ?? -1] ?? colours.strong

/** The least opacity where more contrast is wanted. */
const LEAST = 0.5

/** Return the opacity of what is dimmed. */
export const faded = (opacity: number) => (wantsContrast() ? Math.max(LEAST, opacity) : opacity)

/** Fit the canvas to its box at the screen's resolution and return its context, cleared. */
export function context(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = Math.min(2, devicePixelRatio || 1)
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  const drawing = canvas.getContext('2d')
  drawing?.setTransform(ratio, 0, 0, ratio, 0, 0)
  drawing?.clearRect(0, 0, width, height)
  return drawing
}

export interface Mark {
  x: number
  y: number
  r: number
  kind: Kind
  /** 0 to 1: how far the shape is filled. */
  fill: number
  colour: string
  spof?: boolean
  shadow?: boolean
  selected?: boolean
  /** Whether it stands for several. */
  stack?: boolean
}

export function drawMark(to: CanvasRenderingContext2D, mark: Mark, colours: Palette) {
  const { x, y, r } = mark
  if (mark.stack) for (const shift of [6, 3]) ring(to, mark.kind, x + shift, y - shift, r, colours.strong, 1.2)
  outline(to, mark.kind, x, y, r)
  to.fillStyle = colours.panel
  to.fill()
  if (mark.fill > 0) {
    to.save()
    to.clip()
    to.fillStyle = mark.colour
    const height = 2 * r * Math.max(0.12, mark.fill)
    to.fillRect(x - r * 1.1, y + r - height, r * 2.2, height + 1)
    to.restore()
  }
  outline(to, mark.kind, x, y, r)
  to.lineWidth = r < 6 ? 1 : 1.4
  to.strokeStyle = mark.shadow ? colours.text : mark.fill > 0 && mark.colour !== colours.r0 ? mark.colour : colours.strong
  if (mark.shadow) to.setLineDash([2.5, 2])
  to.stroke()
  to.setLineDash([])
  if (mark.spof && r >= 5) ring(to, mark.kind, x, y, r + 3.5, colours.text, 1.3)
  if (mark.selected) ring(to, 'agent', x, y, r + (mark.spof ? 8 : 5), colours.accent, 2.2)
}

function ring(to: CanvasRenderingContext2D, kind: Kind, x: number, y: number, r: number, colour: string, width: number) {
  outline(to, kind, x, y, r)
  to.strokeStyle = colour
  to.lineWidth = width
  to.stroke()
}

function outline(to: CanvasRenderingContext2D, kind: Kind, x: number, y: number, r: number) {
  const corners = CORNERS[kind]
  to.beginPath()
  if (corners === null) to.arc(x, y, r * 0.95, 0, 2 * Math.PI)
  else corners.forEach(([dx, dy], i) => (i ? to.lineTo(x + dx * r, y + dy * r) : to.moveTo(x + dx * r, y + dy * r)))
  to.closePath()
}

export interface Line {
  points: readonly (readonly [number, number])[]
  colour: string
  width: number
  dashed?: boolean
  arrow?: boolean
}

/** A line through the points, level at each of them; the arrow stands at its end. */
export function drawLine(to: CanvasRenderingContext2D, line: Line) {
  const [first, ...rest] = line.points
  if (!first) return
  to.beginPath()
  to.moveTo(first[0], first[1])
  let [x, y] = first
  for (const [nx, ny] of rest) {
    const middle = (nx - x) / 2
    to.bezierCurveTo(x + middle, y, nx - middle, ny, nx, ny)
    x = nx
    y = ny
  }
  to.strokeStyle = line.colour
  to.lineWidth = line.width
  if (line.dashed) to.setLineDash([6, 3, 1.5, 3])
  to.stroke()
  to.setLineDash([])
  if (line.arrow) arrow(to, x, y, (line.points.at(-2)?.[0] ?? 0) <= x ? 1 : -1, line)
}

function arrow(to: CanvasRenderingContext2D, x: number, y: number, way: 1 | -1, { colour, width }: Line) {
  const size = 4 + width
  to.beginPath()
  to.moveTo(x, y)
  to.lineTo(x - way * size * 1.5, y - size * 0.7)
  to.lineTo(x - way * size * 1.5, y + size * 0.7)
  to.closePath()
  to.fillStyle = colour
  to.fill()
}
