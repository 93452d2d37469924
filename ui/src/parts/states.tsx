import { useEffect, useState, type ReactNode } from 'react'
import { Problem } from '../api/client'
import { Text } from './Text'

/** Words for waiting, only after 300 ms: what comes sooner needs none. */
export function Waiting({ what }: { what: string }) {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300)
    return () => clearTimeout(timer)
  }, [])
  return <p className="note" role="status">{late ? `Loading ${what} …` : ''}</p>
}

/** What went wrong, in the API's sentence, and a way to try again. */
export function Failure({ error, retry, children }: { error: unknown; retry?: () => void; children?: ReactNode }) {
  const message = error instanceof Error ? error.message : String(error)
  const near = error instanceof Problem ? error.members.near_matches : undefined
  return (
    <div className="failure" role="alert">
      <p><Text of={message} /></p>
      {Array.isArray(near) && near.length > 0 && <p className="note">Similar: {near.map((n) => <Text key={String(n)} of={`${String(n)} `} />)}</p>}
      {children}
      {retry && <button type="button" onClick={retry}>Retry</button>}
    </div>
  )
}
