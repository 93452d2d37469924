// Which graph the pages are about: dataset, window and environment; and how old it is.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useLocation } from 'wouter'
import { useColumns, useDatasets } from '../api/queries'
import { environmentOf, withEnvironment } from '../fleet/filter'
import { levelIn } from '../fleet/level'
import { duration, time } from '../parts/numbers'
import { shown as written, Text } from '../parts/Text'
import { useNewest } from './live'
import { useView } from './view'

const WINDOWS = [['', 'All of it'], ['15m', 'Last 15 min'], ['1h', 'Last hour'], ['24h', 'Last 24 h'], ['7d', 'Last 7 days']] as const

export function Pickers() {
  const { params, change, selection } = useView()
  const [location] = useLocation()
  const datasets = useDatasets()
  const live = datasets.data?.datasets.some((d) => d.name === 'live') ?? false
  const shown = selection.dataset ?? (live ? 'live' : datasets.data?.datasets[0]?.name)
  return (
    <>
      {datasets.data && datasets.data.datasets.length > 0 && (
        <label>Dataset
          <select value={shown} onChange={(e) => change({ dataset: e.target.value, version: null, lookback: null, sel: null })}>
            {shown && !datasets.data.datasets.some((d) => d.name === shown) && <option value={shown}>{shown}: not there</option>}
            {datasets.data.datasets.map((d) => <option key={d.name} value={d.name}>{d.name}</option>)}
          </select>
        </label>
      )}
      {shown === 'live' && (
        <label>Window
          <select value={params.get('lookback') ?? ''} onChange={(e) => change({ lookback: e.target.value || null, version: null })}>
            {WINDOWS.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
          </select>
        </label>
      )}
      {location === '/' && <OfFleet live={shown === 'live' && !selection.version} />}
      <Changes dataset={shown} />
    </>
  )
}

/** What the graph of the fleet decides: its environments, and the age of its newest span. */
function OfFleet({ live }: { live: boolean }) {
  const { params, change, selection } = useView()
  const { data } = useColumns(selection, levelIn(params))
  const text = params.get('q') ?? ''
  return (
    <>
      {data && data.environments.length > 1 && (
        <label>Environment
          <select value={environmentOf(text, data.environments)} onChange={(e) => change({ q: withEnvironment(text, e.target.value) || null })}>
            <option value="">All</option>
            {data.environments.map((each) => <option key={each} value={each}>{written(each)}</option>)}
          </select>
        </label>
      )}
      {live && data?.window.to && <Age of={data.window.to} />}
    </>
  )
}

/** Seconds after which live data is called old. */
const OLD = 60
const LOOK_AGAIN = 5_000

/** How old the newest span of a live graph is. */
function Age({ of }: { of: string }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), LOOK_AGAIN)
    return () => clearInterval(timer)
  }, [of])
  const seconds = Math.max(0, (now - Date.parse(of)) / 1000)
  return <span className={`tag age${seconds > OLD ? ' old' : ''}`} title={time(of)}>Newest span shown: {duration(Math.round(seconds))} old</span>
}

/** Offers a newer graph; what is on the page changes only when it is taken. */
function Changes({ dataset }: { dataset: string | undefined }) {
  const queries = useQueryClient()
  const newest = useNewest(dataset)
  const shown = queries
    .getQueriesData<{ graph_version: string | null; dataset: string }>({ queryKey: ['columns'], type: 'active' })
    .map(([, data]) => data)
    .find((data) => data?.dataset === dataset)
  if (!newest || !shown?.graph_version || shown.graph_version === newest) return null
  return (
    <button type="button" className="pill" onClick={() => void queries.invalidateQueries()}>
      <Text of={`${dataset ?? ''} has a newer graph: show it`} />
    </button>
  )
}
