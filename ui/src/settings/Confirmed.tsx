import { useState } from 'react'

interface Props {
  words: string
  /** What the second button says: what happens, to whom. */
  really: string
  busy: boolean
  onDo: () => void
}

/** A button that asks once more before what cannot be undone. */
export function Confirmed({ words, really, busy, onDo }: Props) {
  const [asking, setAsking] = useState(false)
  if (!asking) return <button type="button" disabled={busy} onClick={() => setAsking(true)}>{words}</button>
  return (
    <>
      <button type="button" className="danger" autoFocus disabled={busy} onClick={() => { setAsking(false); onDo() }}>{really}</button>
      <button type="button" onClick={() => setAsking(false)}>Cancel</button>
    </>
  )
}
