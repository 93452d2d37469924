// Questions to the API, each with its key in the cache.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { answered, api, type Schemas } from './client'

export type Columns = Schemas['GraphColumnsDocument']
export type ComponentDetails = Schemas['ComponentDetailsDocument']
export type ComponentRisk = Schemas['ComponentRiskDocument']
export type Simulation = Schemas['SimulationDocument']
export type Mitigations = Schemas['MitigationsAnswer']

/** The graph that a page is about. */
export interface Selection {
  dataset?: string
  version?: string
  lookback?: string
}

export type Level = 'agent' | 'service'

export function useColumns(selection: Selection, level: Level | 'both') {
  const query = level === 'both' ? selection : { ...selection, level }
  return useQuery({
    queryKey: ['columns', query],
    queryFn: ({ signal }) => answered<Columns>(api.GET('/api/graph/columns', { params: { query }, signal })),
    placeholderData: keepPreviousData,
  })
}

export function useComponent(id: string | null, selection: Selection) {
  return useQuery({
    queryKey: ['component', id, selection],
    enabled: id !== null,
    queryFn: ({ signal }) =>
      answered<ComponentDetails>(
        api.GET('/api/components/{component_id}', {
          params: { path: { component_id: id ?? '' }, query: selection },
          signal,
        }),
      ),
  })
}

export function useRisk(id: string | null, selection: Selection) {
  return useQuery({
    queryKey: ['risk', id, selection],
    enabled: id !== null,
    queryFn: ({ signal }) =>
      answered<ComponentRisk>(
        api.GET('/api/risks/{component_id}', {
          params: { path: { component_id: id ?? '' }, query: selection },
          signal,
        }),
      ),
  })
}

export function useRiskHistory(id: string, dataset: string | undefined) {
  return useQuery({
    queryKey: ['risk history', id, dataset],
    queryFn: ({ signal }) =>
      answered<Schemas['RiskHistoryDocument']>(
        api.GET('/api/risk-history/{component_id}', {
          params: { path: { component_id: id }, query: dataset ? { dataset } : {} },
          signal,
        }),
      ),
  })
}

export function useDatasets() {
  return useQuery({
    queryKey: ['datasets'],
    queryFn: ({ signal }) => answered(api.GET('/api/datasets', { signal })),
  })
}
