import { useId, useState, type KeyboardEvent } from 'react'
import { shown, Text } from './Text'

interface Props {
  label: string
  chosen: string[]
  /** Ids to choose from, with their names; other words are accepted too. */
  known: ReadonlyMap<string, string>
  placeholder?: string
  onChange: (chosen: string[]) => void
}

const MOST_OFFERED = 2000

/** Several ids or names, added one by one, each with a button that removes it. */
export function NameSet({ label, chosen, known, placeholder, onChange }: Props) {
  const [text, setText] = useState('')
  const list = useId()
  const add = () => {
    const wanted = text.trim()
    if (wanted && !chosen.includes(wanted)) onChange([...chosen, wanted])
    setText('')
  }
  const press = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return
    event.preventDefault()
    add()
  }
  return (
    <div className="name-set">
      {chosen.length > 0 && (
        <ul className="chips">
          {chosen.map((id) => (
            <li key={id}><Text of={known.get(id) ?? id} /><button type="button" aria-label={`Remove ${shown(known.get(id) ?? id)}`} onClick={() => onChange(chosen.filter((each) => each !== id))}>×</button></li>
          ))}
        </ul>
      )}
      <label className="add">{label}
        <span><input list={list} value={text} onChange={(e) => setText(e.target.value)} onKeyDown={press} placeholder={placeholder} /><button type="button" onClick={add}>Add</button></span>
      </label>
      <datalist id={list}>{[...known.keys()].slice(0, MOST_OFFERED).map((id) => <option key={id} value={id} />)}</datalist>
    </div>
  )
}
