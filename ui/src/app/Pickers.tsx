// Which graph the pages are about: dataset and window.
import { useQueryClient } from '@tanstack/react-query'
import { useDatasets } from '../api/queries'
import { Text } from '../parts/Text'
import { useNewest } from './live'
import { useView } from './view'

const WINDOWS = [['', 'All of it'], ['15m', 'Last 15 min'], ['1h', 'Last hour'], ['24h', 'Last 24 h'], ['7d', 'Last 7 days']] as const

export function Pickers() {
  const { params, change, selection } = useView()
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
      <Changes dataset={shown} />
    </>
  )
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
