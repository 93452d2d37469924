// What needs attention, ranked by the API's risk.
import { useMemo } from 'react'
import type { Columns } from '../api/queries'
import { plural, score } from '../parts/numbers'
import { Shape } from '../parts/Shape'
import { Text } from '../parts/Text'
import { KIND_WORDS, LEVEL_WORDS, levelOf } from '../graph/kinds'

const MOST = 200

export type Tab = 'risk' | 'spof' | 'cycles' | 'shadow'

interface Props {
  columns: Columns
  tab: Tab
  onTab: (tab: Tab) => void
  matches: (position: number) => boolean
  selected: number | null
  onSelect: (position: number) => void
}

export function Attention({ columns, tab, onTab, matches, selected, onSelect }: Props) {
  const { components: c, cycles, by_risk } = columns
  const lists = useMemo<Record<Tab, number[]>>(() => {
    const cyclic = new Set(cycles.flat())
    return {
      risk: by_risk,
      spof: by_risk.filter((i) => (c.spof_workflows[i] ?? 0) > 0),
      cycles: by_risk.filter((i) => cyclic.has(i)),
      shadow: c.id.map((_, i) => i).filter((i) => c.shadow[i] === true),
    }
  }, [columns])
  const titles: Record<Tab, string> = {
    risk: 'Risk',
    spof: `SPOF ${lists.spof.length}`,
    cycles: `Cycles ${cycles.length}`,
    shadow: columns.shadow_note ? 'Shadow ?' : `Shadow ${lists.shadow.length}`,
  }
  const found = lists[tab].filter(matches)
  return (
    <section className="attention" aria-labelledby="attention">
      <header>
        <h2 id="attention">Needs attention</h2>
        <p className="note">Ranked by risk, from 0 to 10.</p>
        <div className="segments" role="group" aria-label="Which components">
          {(Object.keys(titles) as Tab[]).map((name) => (
            <button key={name} type="button" aria-pressed={tab === name} onClick={() => onTab(name)}>{titles[name]}</button>
          ))}
        </div>
      </header>
      {tab === 'shadow' && columns.shadow_note && <p className="note pad">{columns.shadow_note}</p>}
      {found.length === 0 && !(tab === 'shadow' && columns.shadow_note) && <p className="note pad">None.</p>}
      <ol>
        {found.slice(0, MOST).map((i) => (
          <li key={c.id[i]}>
            <button type="button" aria-pressed={selected === i} onClick={() => onSelect(i)} className="item">
              <Shape kind={c.kind[i] ?? 'agent'} risk={c.risk[i] ?? null} spof={(c.spof_workflows[i] ?? 0) > 0} shadow={c.shadow[i] === true} size={26} />
              <span className="what">
                <b><Text of={c.name[i] ?? ''} clip /></b>
                <small><Text of={c.reason[i] ?? KIND_WORDS[c.kind[i] ?? 'agent']} clip /></small>
              </span>
              <span className="score"><b>{score(c.risk[i])}</b><small>{LEVEL_WORDS[levelOf(c.risk[i] ?? null) ?? -1] ?? ''}</small></span>
            </button>
          </li>
        ))}
      </ol>
      {found.length > MOST && <p className="note pad">{MOST} of {plural(found.length, 'component')} listed; the table has all.</p>}
    </section>
  )
}
