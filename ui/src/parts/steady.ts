// Nothing moves under the reader's hand: what is newer is offered, and shown when it is taken.
import { useState } from 'react'

interface Held<T> {
  key: string
  data: T | undefined
}

/** Hold the first answer for a key; `changed` says that a later one differs, `take` shows it. */
export function useSteady<T>(key: string, latest: T | undefined) {
  const [held, setHeld] = useState<Held<T>>({ key, data: latest })
  const stale = held.key !== key || (held.data === undefined && latest !== undefined)
  if (stale) setHeld({ key, data: latest })
  const shown = stale ? latest : held.data
  return {
    shown,
    changed: latest !== undefined && latest !== shown,
    take: (data = latest) => setHeld({ key, data }),
  }
}
