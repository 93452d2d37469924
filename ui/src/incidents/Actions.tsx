// What people do to an incident. What they have typed stays until it is saved.
import { useState } from 'react'
import { SEVERITIES, type SeverityName } from '../parts/Severity'
import { Failure } from '../parts/states'
import { shown } from '../parts/Text'
import { ACTIVE, assign, isConflict, merge, move, note, rate, STATES, useChange, useIncidents, type Incident } from './api'

interface Props {
  incident: Incident
  take: (now?: Incident) => void
}

export function Actions({ incident: i, take }: Props) {
  const [text, setText] = useState('')
  const change = useChange(i.id, take)
  const run = (what: () => Promise<Incident>, saved?: () => void) => change.mutate(what, saved && { onSuccess: saved })
  const clear = () => setText('')
  if (i.merged_into) return <section className="panel"><h2>Actions</h2><p className="note">A duplicate is not changed any more: the incident that remains is.</p></section>
  return (
    <section className="panel actions">
      <h2>Actions</h2>
      <form onSubmit={(e) => { e.preventDefault(); run(() => note(i, text), clear) }}>
        <label>Note for the timeline
          <textarea value={text} rows={3} maxLength={10_000} onChange={(e) => setText(e.target.value)} />
        </label>
        <div className="buttons">
          {i.next_states.map((state, at) => (
            <button key={state} type="button" className={at === 0 ? 'primary' : undefined} disabled={change.isPending} onClick={() => run(() => move(i, state, text), clear)}>{STATES[state].verb}</button>
          ))}
          <button type="submit" disabled={change.isPending || !text.trim()}>Add the note</button>
        </div>
        <small>A change of state takes the note along.</small>
      </form>
      {change.error && <Refused error={change.error} onShow={() => void change.showNewest()} />}
      <Owner incident={i} busy={change.isPending} onSave={(owner) => run(() => assign(i, owner))} />
      <Rating incident={i} busy={change.isPending} onSave={(severity) => run(() => rate(i, severity))} />
      <Duplicate incident={i} busy={change.isPending} onMerge={(into) => run(() => merge(i, into))} />
    </section>
  )
}

function Owner({ incident, busy, onSave }: { incident: Incident; busy: boolean; onSave: (owner: string) => void }) {
  const [typed, setTyped] = useState<string | null>(null)
  const owner = typed ?? incident.owner ?? ''
  return (
    <form onSubmit={(e) => { e.preventDefault(); onSave(owner) }}>
      <label>Owner, a person or team
        <span><input value={owner} maxLength={200} placeholder="nobody" onChange={(e) => setTyped(e.target.value)} /><button type="submit" disabled={busy || owner === (incident.owner ?? '')}>Assign</button></span>
      </label>
    </form>
  )
}

function Rating({ incident, busy, onSave }: { incident: Incident; busy: boolean; onSave: (severity: SeverityName) => void }) {
  const [chosen, setChosen] = useState<SeverityName | null>(null)
  const severity = chosen ?? incident.severity
  return (
    <form onSubmit={(e) => { e.preventDefault(); onSave(severity) }}>
      <label>Severity
        <span>
          <select value={severity} onChange={(e) => setChosen(e.target.value as SeverityName)}>
            {Object.entries(SEVERITIES).map(([value, { words }]) => <option key={value} value={value}>{words}</option>)}
          </select>
          <button type="submit" disabled={busy || severity === incident.severity}>Change</button>
        </span>
      </label>
    </form>
  )
}

/** Merges a duplicate into another active incident, which gets what the duplicate affects. */
function Duplicate({ incident, busy, onMerge }: { incident: Incident; busy: boolean; onMerge: (into: string) => void }) {
  const [open, setOpen] = useState(false)
  const [into, setInto] = useState('')
  return (
    <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>It is a duplicate</summary>
      {open && (
        <form onSubmit={(e) => { e.preventDefault(); onMerge(into) }}>
          <label>Merge it into<Others than={incident.id} chosen={into} onChange={setInto} /></label>
          <small>That cannot be undone. The other incident gets what this one affects.</small>
          <div className="buttons"><button type="submit" className="danger" disabled={busy || !into}>Merge</button></div>
        </form>
      )}
    </details>
  )
}

function Others({ than, chosen, onChange }: { than: string; chosen: string; onChange: (id: string) => void }) {
  const active = useIncidents({ state: ACTIVE })
  const others = active.data?.incidents.filter((each) => each.id !== than) ?? []
  return (
    <select value={chosen} required onChange={(e) => onChange(e.target.value)}>
      <option value="" disabled>{others.length > 0 ? 'Choose' : 'No other incident is active'}</option>
      {others.map((each) => <option key={each.id} value={each.id}>{shown(each.title)}</option>)}
    </select>
  )
}

/** A change that was refused; where somebody else was first, what to do about it. */
export function Refused({ error, onShow }: { error: unknown; onShow: () => void }) {
  if (!isConflict(error)) return <Failure error={error} />
  return (
    <div className="failure" role="alert">
      <p>Somebody changed this incident after you read it, so nothing was saved. What you typed is still here.</p>
      <button type="button" onClick={onShow}>Show the newest version</button>
    </div>
  )
}
