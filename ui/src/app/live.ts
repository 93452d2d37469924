// Tells of new graph versions. Nothing on the page changes before the reader asks for it.
import { useEffect, useState } from 'react'
import { keepFollowing } from '../api/client'

/** Return the newest version of the dataset since the page was opened; null before the first event. */
export function useNewest(dataset: string | undefined): string | null {
  const [newest, setNewest] = useState<string | null>(null)
  useEffect(() => {
    if (!dataset) return
    setNewest(null)
    const path = `/api/events?dataset=${encodeURIComponent(dataset)}`
    return keepFollowing(path, (event, data) => {
      if (event === 'graph') setNewest((data as { graph_version: string }).graph_version)
    })
  }, [dataset])
  return newest
}
