// A layered drawing: ranks from left to right, few crossings, the same input gives the same picture.

export interface Layered {
  rank: number[]
  y: number[]
  ranks: number
  height: number
  /** Per edge: the heights at which it passes the ranks between its ends. */
  bends: number[][]
  /** Edges that close a cycle. */
  back: boolean[]
}

interface Layers {
  order: number[][]
  up: number[][]
  down: number[][]
}

export interface Options {
  gap: number
  milliseconds?: number
}

const DUMMY_SHARE = 0.36

/** Place n nodes; an edge leads from left to right, unless it closes a cycle. */
export function layered(n: number, edges: readonly (readonly [number, number])[], { gap, milliseconds = 400 }: Options): Layered {
  const deadline = performance.now() + milliseconds
  const back = backEdges(n, edges)
  const forward = edges.map(([s, t], i) => (back[i] ? ([t, s] as const) : ([s, t] as const)))
  const rank = ranksOf(n, forward)
  const chains = new Array<number[]>(edges.length)
  const rankOf = [...rank]
  const up: number[][] = rank.map(() => [])
  const down: number[][] = rank.map(() => [])
  forward.forEach(([s, t], i) => {
    const chain = [s]
    for (let r = (rank[s] ?? 0) + 1; r < (rank[t] ?? 0); r++) {
      rankOf.push(r)
      up.push([])
      down.push([])
      chain.push(rankOf.length - 1)
    }
    chain.push(t)
    chains[i] = chain
    for (let k = 1; k < chain.length; k++) {
      down[chain[k - 1] ?? 0]?.push(chain[k] ?? 0)
      up[chain[k] ?? 0]?.push(chain[k - 1] ?? 0)
    }
  })
  const ranks = Math.max(0, ...rank) + (n ? 1 : 0)
  const order: number[][] = Array.from({ length: ranks }, () => [])
  rankOf.forEach((r, v) => order[r]?.push(v))
  const layers = ordered({ order, up, down }, deadline)
  const y = heights(layers, gap, n)
  const top = Math.min(0, ...y)
  const all = y.map((each) => each - top)
  return {
    rank,
    y: all.slice(0, n),
    ranks,
    height: Math.max(0, ...all),
    bends: chains.map((chain, i) => {
      const between = chain.slice(1, -1).map((v) => all[v] ?? 0)
      return back[i] ? between.reverse() : between
    }),
    back,
  }
}

function backEdges(n: number, edges: readonly (readonly [number, number])[]): boolean[] {
  const out: { edge: number; to: number }[][] = Array.from({ length: n }, () => [])
  const callers = new Array<number>(n).fill(0)
  edges.forEach(([s, t], edge) => {
    out[s]?.push({ edge, to: t })
    callers[t] = (callers[t] ?? 0) + 1
  })
  const back = edges.map(([s, t]) => s === t)
  const state = new Uint8Array(n) // 0 new, 1 open, 2 done
  const starts = [...Array(n).keys()].sort((a, b) => (callers[a] ?? 0) - (callers[b] ?? 0) || a - b)
  for (const start of starts) {
    if (state[start]) continue
    const stack: { v: number; next: number }[] = [{ v: start, next: 0 }]
    state[start] = 1
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const step = out[top.v]?.[top.next++]
      if (!step) {
        state[top.v] = 2
        stack.pop()
      } else if (state[step.to] === 1) back[step.edge] = true
      else if (state[step.to] === 0) {
        state[step.to] = 1
        stack.push({ v: step.to, next: 0 })
      }
    }
  }
  return back
}

/** Longest paths from the left; then what could stand nearer to what it calls does. */
function ranksOf(n: number, forward: readonly (readonly [number, number])[]): number[] {
  const rank = new Array<number>(n).fill(0)
  for (let round = 0, moved = true; moved && round <= n; round++) {
    moved = false
    for (const [s, t] of forward) {
      if (s !== t && (rank[t] ?? 0) < (rank[s] ?? 0) + 1) {
        rank[t] = (rank[s] ?? 0) + 1
        moved = true
      }
    }
  }
  const called = new Set(forward.filter(([s, t]) => s !== t).map(([, t]) => t))
  for (let v = 0; v < n; v++) {
    const next = forward.filter(([s, t]) => s === v && t !== v).map(([, t]) => rank[t] ?? 0)
    if (!called.has(v) && next.length) rank[v] = Math.max(0, Math.min(...next) - 1)
  }
  return rank
}

/** Order each rank by the medians of its neighbours, then swap what crosses less swapped. */
function ordered(layers: Layers, deadline: number): Layers {
  let best = layers.order.map((each) => [...each])
  let fewest = crossings(layers)
  for (let sweep = 0; sweep < 24 && fewest && performance.now() < deadline; sweep++) {
    const down = sweep % 2 === 0
    const indices = [...layers.order.keys()]
    for (const r of down ? indices : indices.reverse()) byMedian(layers, r, down ? layers.up : layers.down)
    transpose(layers)
    const now = crossings(layers)
    if (now < fewest) {
      fewest = now
      best = layers.order.map((each) => [...each])
    }
  }
  return { ...layers, order: best }
}

const places = (layer: readonly number[]) => new Map(layer.map((v, i) => [v, i]))

function byMedian(layers: Layers, r: number, neighbours: number[][]) {
  const layer = layers.order[r]
  const other = layers.order[neighbours === layers.up ? r - 1 : r + 1]
  if (!layer || !other) return
  const place = places(other)
  const own = places(layer)
  const median = new Map(
    layer.map((v) => {
      const found = (neighbours[v] ?? []).map((u) => place.get(u) ?? 0).sort((a, b) => a - b)
      const middle = found.length ? ((found[(found.length - 1) >> 1] ?? 0) + (found[found.length >> 1] ?? 0)) / 2 : (own.get(v) ?? 0)
      return [v, middle]
    }),
  )
  layer.sort((a, b) => (median.get(a) ?? 0) - (median.get(b) ?? 0) || (own.get(a) ?? 0) - (own.get(b) ?? 0))
}

function transpose(layers: Layers) {
  for (let again = 0, better = true; better && again < 6; again++) {
    better = false
    layers.order.forEach((layer, r) => {
      const before = places(layers.order[r - 1] ?? [])
      const after = places(layers.order[r + 1] ?? [])
      for (let i = 0; i + 1 < layer.length; i++) {
        const a = layer[i] ?? 0
        const b = layer[i + 1] ?? 0
        const cost = (x: number, z: number) =>
          pairCrossings(layers.up[x], layers.up[z], before) + pairCrossings(layers.down[x], layers.down[z], after)
        if (cost(b, a) < cost(a, b)) {
          layer[i] = b
          layer[i + 1] = a
          better = true
        }
      }
    })
  }
}

function pairCrossings(first: number[] = [], second: number[] = [], place: Map<number, number>): number {
  let found = 0
  for (const a of first) for (const b of second) if ((place.get(a) ?? 0) > (place.get(b) ?? 0)) found++
  return found
}

export function crossings({ order, down }: Layers): number {
  let found = 0
  order.forEach((layer, r) => {
    const place = places(order[r + 1] ?? [])
    const ends = layer.flatMap((v) => (down[v] ?? []).map((t) => place.get(t) ?? 0).sort((a, b) => a - b))
    for (let i = 0; i < ends.length; i++) for (let j = i + 1; j < ends.length; j++) if ((ends[i] ?? 0) > (ends[j] ?? 0)) found++
  })
  return found
}

/** Heights that keep order and gaps, each as near to the mean of its neighbours as that allows. */
function heights({ order, up, down }: Layers, gap: number, n: number): number[] {
  const y: number[] = []
  const size = (v: number) => (v < n ? gap : gap * DUMMY_SHARE)
  const longest = Math.max(0, ...order.map((layer) => layer.reduce((sum, v) => sum + size(v), 0)))
  for (const layer of order) {
    const total = layer.reduce((sum, v) => sum + size(v), 0)
    let at = (longest - total) / 2
    for (const v of layer) {
      y[v] = at + size(v) / 2
      at += size(v)
    }
  }
  for (let round = 0; round < 10; round++) {
    const neighbours = round % 2 ? down : up
    const indices = [...order.keys()]
    for (const r of round % 2 ? indices.reverse() : indices) settle(order[r] ?? [], neighbours, y, size)
  }
  const both = up.map((each, v) => [...each, ...(down[v] ?? [])])
  for (const layer of order) {
    settle(layer, both, y, size)
    within(layer, longest, y, size)
  }
  return y
}

/** Isotonic regression (pool adjacent violators) of the wanted heights, with the gaps taken out. */
function settle(layer: readonly number[], neighbours: readonly number[][], y: number[], size: (v: number) => number) {
  let offset = 0
  const offsets = layer.map((v, i) => (offset += i ? (size(layer[i - 1] ?? 0) + size(v)) / 2 : 0))
  const blocks: { sum: number; count: number }[] = []
  layer.forEach((v, i) => {
    const found = neighbours[v] ?? []
    const wanted = found.length ? found.reduce((sum, u) => sum + (y[u] ?? 0), 0) / found.length : (y[v] ?? 0)
    blocks.push({ sum: wanted - (offsets[i] ?? 0), count: 1 })
    for (let last = blocks.at(-1), before = blocks.at(-2); last && before && before.sum / before.count > last.sum / last.count; ) {
      before.sum += last.sum
      before.count += last.count
      blocks.pop()
      last = blocks.at(-1)
      before = blocks.at(-2)
    }
  })
  let i = 0
  for (const { sum, count } of blocks) for (let k = 0; k < count; k++, i++) y[layer[i] ?? 0] = sum / count + (offsets[i] ?? 0)
}

/** Keep a layer within the height of the longest one, its order and gaps unchanged. */
function within(layer: readonly number[], height: number, y: number[], size: (v: number) => number) {
  let above = 0
  for (const v of layer) {
    y[v] = Math.max(y[v] ?? 0, above + size(v) / 2)
    above = (y[v] ?? 0) + size(v) / 2
  }
  let below = height
  for (const v of [...layer].reverse()) {
    y[v] = Math.min(y[v] ?? 0, below - size(v) / 2)
    below = (y[v] ?? 0) - size(v) / 2
  }
}
