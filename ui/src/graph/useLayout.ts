// Layouts come from a worker, within a deadline.
import { useEffect, useMemo, useState } from 'react'
import type { Layered } from './layered'
import type { Order } from './layout.worker'

/** Milliseconds of work; starting the worker does not count. */
const DEADLINE = 1500

export type Layout = Layered | 'late' | null

/** Return where n nodes stand; null while that is calculated, 'late' where it takes too long. */
export function useLayout(n: number, edges: readonly { source: number; target: number }[], gap: number): Layout {
  const order = useMemo<Order>(() => ({ n, edges: edges.map((e) => [e.source, e.target]), gap }), [n, edges, gap])
  const key = useMemo(() => JSON.stringify(order), [order])
  const [done, setDone] = useState<{ key: string; layout: Layout }>({ key: '', layout: null })
  useEffect(() => laidOut(JSON.parse(key), (layout) => setDone({ key, layout })), [key])
  return done.key === key ? done.layout : null
}

function laidOut(order: Order, tell: (layout: Layout) => void): () => void {
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' })
  let timer: ReturnType<typeof setTimeout> | undefined
  const end = () => {
    clearTimeout(timer)
    worker.terminate()
  }
  const ended = (layout: Layout) => {
    end()
    tell(layout)
  }
  worker.onerror = () => ended('late')
  worker.onmessage = ({ data }: MessageEvent<'ready' | Layered>) => {
    if (data !== 'ready') return ended(data)
    timer = setTimeout(() => ended('late'), DEADLINE)
    worker.postMessage(order)
  }
  return end
}
