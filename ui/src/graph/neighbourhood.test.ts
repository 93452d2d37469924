import { expect, test } from 'vitest'
import type { Columns } from '../api/queries'
import { neighbourhood, type Direction, type Neighbourhood } from './neighbourhood'

const NOTHING = new Set<string>()

/** A graph of n components of one owner; the pairs depend on each other, the first on the second. */
function graph(n: number, pairs: readonly (readonly [number, number])[], more: Partial<Columns['components']> = {}): Columns {
  const all = <T>(value: T) => Array.from({ length: n }, () => value)
  const components = { kind: all('agent'), owner: all('growth'), service: all(null), risk: all(1), ...more }
  const dependencies = { source: pairs.map(([s]) => s), target: pairs.map(([, t]) => t) }
  return { components, dependencies } as unknown as Columns
}

const chain = graph(5, [[0, 1], [1, 2], [2, 3], [3, 4]])
const hub = (callers: number, more?: Partial<Columns['components']>) =>
  graph(callers + 1, Array.from({ length: callers }, (_, i) => [i + 1, 0] as const), more)

const around = (columns: Columns, centre: number, depth: number, direction: Direction = 'both', opened = NOTHING) =>
  neighbourhood(columns, centre, depth, direction, opened)

const everybody = ({ drawn, folds }: Neighbourhood) =>
  [...drawn.slice(1), ...folds.flatMap((fold) => fold.members)].sort((a, b) => a - b)

test('depth and direction bound what is around', () => {
  expect(around(chain, 2, 1).neighbours.sort()).toEqual([1, 3])
  expect(around(chain, 2, 2).neighbours.sort()).toEqual([0, 1, 3, 4])
  expect(around(chain, 2, 2, 'callers').neighbours).toEqual([1, 0])
  expect(around(chain, 2, 1, 'dependencies').neighbours).toEqual([3])
})

test('callers of a dependency are not around: they neither reach the centre nor are reached', () => {
  expect(around(graph(3, [[0, 1], [2, 1]]), 0, 3).neighbours).toEqual([1])
})

test('what a caller that is called too depends on is around', () => {
  expect(around(graph(4, [[0, 1], [1, 0], [1, 2], [3, 1]]), 0, 2).neighbours).toEqual([1, 2, 3])
})

test('a cycle ends, and its members are there once', () => {
  const { neighbours, links } = around(graph(3, [[0, 1], [1, 2], [2, 0]]), 0, 3)
  expect(neighbours.sort()).toEqual([1, 2])
  expect(links.map((link) => link.dependencies)).toEqual([[0], [1], [2]])
})

test('seven siblings are drawn, of eight the two with the least risk fold', () => {
  expect(around(hub(7), 0, 1).folds).toEqual([])
  const { drawn, folds } = around(hub(8, { risk: [0, 1, 2, 3, 4, 5, 6, 7, 8] }), 0, 1)
  expect(drawn).toEqual([0, 8, 7, 6, 5, 4, 3])
  expect(folds.map((fold) => [fold.kind, fold.owner, fold.members])).toEqual([['agent', 'growth', [2, 1]]])
})

test('siblings have one kind and one owner', () => {
  const owner = Array.from({ length: 15 }, (_, i) => (i % 2 ? 'growth' : 'payments'))
  expect(around(hub(14, { owner }), 0, 1).folds).toEqual([])
})

test('drawn and folded are all neighbours, each once, and no more than 80 marks', () => {
  for (const callers of [0, 1, 7, 8, 79, 80, 500]) {
    for (const owners of [1, 3, 40, 500]) {
      const owner = Array.from({ length: callers + 1 }, (_, i) => `team ${i % owners}`)
      const found = around(hub(callers, { owner }), 0, 1)
      expect(everybody(found)).toEqual([...found.neighbours].sort((a, b) => a - b))
      expect(found.neighbours.length).toBe(callers)
      expect(found.drawn.length + found.folds.length).toBeLessThanOrEqual(80)
    }
  }
})

test('an opened fold shows its members, but never more than 80 marks', () => {
  const [fold] = around(hub(20), 0, 1).folds
  const opened = new Set([fold?.key ?? ''])
  expect(around(hub(20), 0, 1, 'both', opened).folds).toEqual([])
  const many = around(hub(200), 0, 1, 'both', opened)
  expect(many.drawn.length + many.folds.length).toBeLessThanOrEqual(80)
  expect(everybody(many).length).toBe(200)
})

test('dependencies of folded siblings lead to their fold, and those among them do not show', () => {
  const pairs = Array.from({ length: 9 }, (_, i) => [i + 1, 0] as const)
  const { drawn, folds, links } = around(graph(10, [...pairs, [8, 9]]), 0, 1)
  const fold = drawn.length
  expect(folds[0]?.members).toEqual([7, 8, 9])
  expect(links.find((link) => link.source === fold)).toEqual({ source: fold, target: 0, dependencies: [6, 7, 8] })
  expect(links.length).toBe(7)
})

test('dependencies of different types between two components are one link', () => {
  expect(around(graph(2, [[0, 1], [0, 1]]), 0, 1).links).toEqual([{ source: 0, target: 1, dependencies: [0, 1] }])
})
