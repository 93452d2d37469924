// Tells of new graph versions. Nothing on the page changes before the reader asks for it.
import { useEffect, useState } from 'react'
import { follow } from '../api/client'

const AGAIN_AFTER = 5000

/** Return the newest version of the dataset since the page was opened; null before the first event. */
export function useNewest(dataset: string | undefined): string | null {
  const [newest, setNewest] = useState<string | null>(null)
  useEffect(() => {
    if (!dataset) return
    setNewest(null)
    const stop = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const path = `/api/events?dataset=${encodeURIComponent(dataset)}`
    const tell = (event: string, data: unknown) => {
      if (event === 'graph') setNewest((data as { graph_version: string }).graph_version)
    }
    const run = () => {
      const again = () => { if (!stop.signal.aborted) timer = setTimeout(run, AGAIN_AFTER) }
      follow(path, tell, stop.signal).then(again, again)
    }
    run()
    return () => { stop.abort(); clearTimeout(timer) }
  }, [dataset])
  return newest
}
