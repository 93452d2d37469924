import type { Schemas } from '../api/client'

export type Kind = Schemas['ComponentColumns']['kind'][number]

export const KIND_WORDS: Record<Kind, string> = {
  agent: 'Agent',
  tool: 'Tool',
  model: 'Model',
  mcp_server: 'MCP server',
  datastore: 'Datastore',
  queue: 'Queue',
  service: 'Service',
  external: 'External',
  workflow: 'Workflow',
}

/** The level of a risk from 0 to 10: 0 minimal, 1 low, 2 moderate, 3 high, 4 critical. */
export const levelOf = (risk: number | null): number | null =>
  risk === null ? null : Math.min(4, Math.floor(risk / 2))

export const LEVEL_WORDS = ['Minimal', 'Low', 'Moderate', 'High', 'Critical'] as const

type Point = readonly [number, number]

const polygon = (sides: number, turn: number): Point[] =>
  Array.from({ length: sides }, (_, i) => {
    const angle = turn + (i * 2 * Math.PI) / sides
    return [Math.cos(angle), Math.sin(angle)] as const
  })

const SQUARE: Point[] = [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]]

/** The corners of a kind's shape in a circle of radius 1; null: the circle itself. */
export const CORNERS: Record<Kind, readonly Point[] | null> = {
  agent: null,
  tool: SQUARE,
  model: polygon(4, 0),
  mcp_server: polygon(6, 0),
  datastore: [[-0.95, -0.6], [0, -0.95], [0.95, -0.6], [0.95, 0.6], [0, 0.95], [-0.95, 0.6]],
  queue: [[-1, -0.6], [1, -0.6], [1, 0.6], [-1, 0.6]],
  service: polygon(8, Math.PI / 8),
  external: polygon(3, -Math.PI / 2),
  workflow: [[-0.95, -0.75], [0.35, -0.75], [1, 0], [0.35, 0.75], [-0.95, 0.75]],
}
