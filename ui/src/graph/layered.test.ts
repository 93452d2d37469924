import { expect, test } from 'vitest'
import { layered } from './layered'

const GAP = 42

/** The same pairs for the same seed (a linear congruential generator). */
function pairs(n: number, edges: number, seed: number): [number, number][] {
  let state = seed
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n
  return Array.from({ length: edges }, () => [next(), next()])
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

test('an edge leads to the right, unless it closes a cycle', () => {
  for (const seed of SEEDS) {
    const edges = pairs(40, 60, seed)
    const { rank, back } = layered(40, edges, { gap: GAP })
    for (const [i, [s, t]] of edges.entries()) {
      if (back[i]) expect(rank[t]).toBeLessThanOrEqual(rank[s] ?? 0)
      else expect(rank[t]).toBeGreaterThan(rank[s] ?? 0)
    }
  }
})

test('marks of one rank keep their distance', () => {
  for (const seed of SEEDS) {
    const { rank, y, ranks } = layered(40, pairs(40, 60, seed), { gap: GAP })
    for (let r = 0; r < ranks; r++) {
      const heights = y.filter((_, i) => rank[i] === r).sort((a, b) => a - b)
      for (let k = 1; k < heights.length; k++) expect((heights[k] ?? 0) - (heights[k - 1] ?? 0)).toBeGreaterThan(GAP - 0.001)
    }
  }
})

test('the same input gives the same picture', () => {
  const edges = pairs(60, 90, 1)
  expect(layered(60, edges, { gap: GAP })).toEqual(layered(60, edges, { gap: GAP }))
})

test('an edge bends once in each rank that it passes', () => {
  const { bends } = layered(4, [[0, 1], [1, 2], [2, 3], [0, 3]], { gap: GAP })
  expect(bends.map((each) => each.length)).toEqual([0, 0, 0, 2])
})
