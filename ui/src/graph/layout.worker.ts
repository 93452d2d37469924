// Lays a drawing out beside the page, which stays responsive.
import { layered } from './layered'

export interface Order {
  n: number
  edges: [number, number][]
  gap: number
}

postMessage('ready')
onmessage = ({ data }: MessageEvent<Order>) => postMessage(layered(data.n, data.edges, { gap: data.gap }))
