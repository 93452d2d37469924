import { useId } from 'react'
import { CORNERS, levelOf, type Kind } from '../graph/kinds'

interface Props {
  kind: Kind
  risk: number | null
  spof?: boolean
  shadow?: boolean
  size?: number
}

/** A component's mark: its kind is the shape, its risk the colour and how far the shape is filled. */
export function Shape({ kind, risk, spof = false, shadow = false, size = 20 }: Props) {
  const clip = useId()
  const level = levelOf(risk)
  const corners = CORNERS[kind]
  const points = corners?.map(([x, y]) => `${x * 7},${y * 7}`).join(' ')
  const body = (extra: object) =>
    points ? <polygon points={points} {...extra} /> : <circle r={6.6} {...extra} />
  const height = risk === null ? 0 : 14 * Math.max(0.12, risk / 10)
  return (
    <svg width={size} height={size} viewBox="-10 -10 20 20" aria-hidden="true" className="shape">
      <clipPath id={clip}>{body({})}</clipPath>
      <rect x={-8} y={7 - height} width={16} height={height} className={`fill-${level ?? 'none'}`} clipPath={`url(#${clip})`} />
      {body({ className: `outline outline-${level ?? 'none'}${shadow ? ' dashed' : ''}` })}
      {spof && (points ? <polygon points={points} transform="scale(1.32)" className="ring" /> : <circle r={9.2} className="ring" />)}
    </svg>
  )
}
