// The table twin of the map: the same components, and rows only for what is in view.
import { useMemo, useRef, useState } from 'react'
import type { Columns } from '../api/queries'
import { KIND_WORDS } from '../graph/kinds'
import { useInView } from '../graph/useInView'
import { useSize } from '../graph/useSize'
import { count, score } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Text } from '../parts/Text'

const ROW = 32
const HEAD = 28
const SPARE = 8

type Key = 'risk' | 'name' | 'kind' | 'service' | 'owner' | 'callers' | 'invocations' | 'errors'

const HEADS: { key: Key; title: string; number?: boolean }[] = [
  { key: 'name', title: 'Component' },
  { key: 'kind', title: 'Kind' },
  { key: 'service', title: 'Service' },
  { key: 'owner', title: 'Owner' },
  { key: 'risk', title: 'Risk', number: true },
  { key: 'callers', title: 'Callers', number: true },
  { key: 'invocations', title: 'Runs', number: true },
  { key: 'errors', title: 'Failed', number: true },
]

interface Props {
  columns: Columns
  positions: number[]
  sort: string
  onSort: (sort: string) => void
  selected: number | null
  onSelect: (position: number) => void
}

export function ComponentTable({ columns, positions, sort, onSort, selected, onSelect }: Props) {
  const { components: c } = columns
  const [box, size] = useSize<HTMLDivElement>()
  const [top, setTop] = useState(0)
  const ticking = useRef(false)
  const key = HEADS.find((h) => h.key === sort.replace('-', ''))?.key ?? 'risk'
  const down = sort.startsWith('-')
  const sorted = useMemo(() => ordered(c, positions, key, down), [c, positions, key, down])
  const row = selected === null ? -1 : sorted.indexOf(selected)
  useInView(box, selected === null ? null : (c.id[selected] ?? null), row < 0 || !size.height ? undefined : { x: box.current?.scrollLeft ?? 0, y: HEAD + (row + 0.5) * ROW })
  const first = Math.max(0, Math.floor(top / ROW) - SPARE)
  const last = Math.min(sorted.length, Math.ceil((top + size.height) / ROW) + SPARE)
  const scrolled = () => {
    if (ticking.current) return
    ticking.current = true
    requestAnimationFrame(() => {
      ticking.current = false
      setTop(box.current?.scrollTop ?? 0)
    })
  }
  return (
    <div className="table-box" ref={box} onScroll={scrolled} tabIndex={0} role="region" aria-label="Table of components">
      <table className="wide" aria-rowcount={sorted.length + 1}>
        <thead>
          <tr>
            {HEADS.map((h) => (
              <th key={h.key} className={h.number ? 'n' : undefined} aria-sort={key === h.key ? (down ? 'descending' : 'ascending') : 'none'}>
                <button type="button" onClick={() => onSort(key === h.key && down === Boolean(h.number) ? (down ? h.key : `-${h.key}`) : h.number ? `-${h.key}` : h.key)}>
                  {h.title}{key === h.key ? (down ? ' ↓' : ' ↑') : ''}
                </button>
              </th>
            ))}
            <th>Findings</th>
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr style={{ height: first * ROW }} aria-hidden="true"><td colSpan={9} /></tr>}
          {sorted.slice(first, last).map((i, k) => (
            <tr key={c.id[i]} aria-rowindex={first + k + 2} className={i === selected ? 'selected' : undefined}>
              <td>
                <button type="button" className="row-button" aria-pressed={i === selected} onClick={() => onSelect(i)}>
                  <Shape kind={c.kind[i] ?? 'agent'} risk={c.risk[i] ?? null} size={18} /> <Text of={c.name[i] ?? ''} clip />
                </button>
              </td>
              <td>{KIND_WORDS[c.kind[i] ?? 'agent']}</td>
              <td><Text of={c.service[i] ?? '–'} clip /></td>
              <td><Text of={c.owner[i] ?? '–'} clip /></td>
              <td className="n">{score(c.risk[i])}</td>
              <td className="n">{count(c.callers[i])}</td>
              <td className="n">{count(c.invocations[i])}</td>
              <td className={`n${c.errors[i] ? ' bad' : ''}`}>{count(c.errors[i])}</td>
              <td>{(c.spof_workflows[i] ?? 0) > 0 && <span className="tag strong">SPOF</span>}{c.shadow[i] && <span className="tag">Shadow</span>}</td>
            </tr>
          ))}
          {last < sorted.length && <tr style={{ height: (sorted.length - last) * ROW }} aria-hidden="true"><td colSpan={9} /></tr>}
        </tbody>
      </table>
    </div>
  )
}

function ordered(c: Columns['components'], positions: number[], key: Key, down: boolean): number[] {
  const column = c[key]
  const compare = (a: number, b: number): number => {
    const [x, y] = [column[a] ?? null, column[b] ?? null]
    if (x === null || y === null) return Number(x === null) - Number(y === null)
    const found = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y))
    return down ? -found : found
  }
  return [...positions].sort((a, b) => compare(a, b) || a - b)
}

const FORMULA = /^[=+\-@\t\r]/

/** The table as CSV; text that a spreadsheet would run as a formula begins with an apostrophe. */
export function csvOf({ components: c }: Columns, positions: number[]): string {
  const cell = (value: string | number | null | undefined) => {
    const text = String(value ?? '')
    const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  const lines = positions.map((i) =>
    [c.id[i], c.name[i], c.kind[i], c.service[i], c.owner[i], c.risk[i], c.callers[i], c.invocations[i], c.errors[i], c.spof_workflows[i]].map(cell).join(','),
  )
  return ['id,name,kind,service,owner,risk,callers,runs,failed,spof_workflows', ...lines].join('\r\n')
}
