// Questions and changes about incidents. A change names the version that it is based on.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { answered, api, keepFollowing, Problem, type Schemas } from '../api/client'

export type Incident = Schemas['IncidentDocument']
export type IncidentRecord = Schemas['IncidentRecordDocument']
export type State = Incident['state']
export type Helped = Incident['feedback'][number]['helped']
export type IncidentEvent = Schemas['IncidentEventDocument']

/** How often an open page asks whether there is something newer, should the stream say nothing. */
const EVERY = 15_000

/** Ask again for what the page shows of incidents whenever one of them changes. */
export function useChanges() {
  const queries = useQueryClient()
  useEffect(() => keepFollowing('/api/incidents/stream', () => {
    for (const key of ['incidents', 'incident']) void queries.invalidateQueries({ queryKey: [key] })
  }), [queries])
}

export const STATES: Record<State, { words: string; verb: string; at: keyof IncidentRecord }> = {
  open: { words: 'Open', verb: 'Reopen', at: 'opened_at' },
  acknowledged: { words: 'Acknowledged', verb: 'Acknowledge', at: 'acknowledged_at' },
  mitigated: { words: 'Mitigated', verb: 'Mark as mitigated', at: 'mitigated_at' },
  resolved: { words: 'Resolved', verb: 'Resolve', at: 'resolved_at' },
  reviewed: { words: 'Reviewed', verb: 'Mark as reviewed', at: 'reviewed_at' },
}

/** Those that somebody has to work on. */
export const ACTIVE: State[] = ['open', 'acknowledged', 'mitigated']

export interface ListQuery {
  state: State[]
  severity?: IncidentRecord['severity'][]
  before?: string
}

export function useIncidents(query: ListQuery) {
  return useQuery({
    queryKey: ['incidents', query],
    queryFn: ({ signal }) => answered(api.GET('/api/incidents', { params: { query }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY,
  })
}

export const incidentOf = (id: string, signal?: AbortSignal) =>
  answered<Incident>(api.GET('/api/incidents/{incident_id}', { params: { path: { incident_id: id } }, signal: signal ?? null }))

export function useIncident(id: string) {
  return useQuery({
    queryKey: ['incident', id],
    queryFn: ({ signal }) => incidentOf(id, signal),
    refetchInterval: EVERY,
  })
}

/** All events of the version that is shown, the oldest first. */
export function useEvents(incident: Incident) {
  return useQuery({
    queryKey: ['incident-events', incident.id, incident.version],
    queryFn: async ({ signal }) => {
      const found: IncidentEvent[] = []
      for (let after: number | null = 0; after !== null;) {
        const params = { path: { incident_id: incident.id }, query: { after, limit: 1000 } }
        const page: Schemas['IncidentEventsDocument'] = await answered(api.GET('/api/incidents/{incident_id}/events', { params, signal }))
        found.push(...page.events)
        after = page.next
      }
      return found
    },
    placeholderData: keepPreviousData,
  })
}

const at = (i: Incident) => ({ path: { incident_id: i.id }, header: { 'If-Match': `"${i.version}"` } })

export const move = (i: Incident, to: State, note: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/transition', { params: at(i), body: { to, note: note || null } }))
export const assign = (i: Incident, owner: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/assign', { params: at(i), body: { owner: owner || null } }))
export const rate = (i: Incident, severity: Incident['severity']) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/severity', { params: at(i), body: { severity } }))
export const linkPlaybook = (i: Incident, playbook: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/links', { params: at(i), body: { playbook } }))
export const linkSimulation = (i: Incident, simulation: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/links', { params: at(i), body: { simulation } }))
export const merge = (i: Incident, into: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/merge', { params: at(i), body: { into } }))
export const measure = (i: Incident) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/measure', { params: at(i) }))
/** Replaces earlier feedback on the same step only, so it names no version. */
export const giveFeedback = (i: Incident, step: string, helped: Helped) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/feedback', { params: { path: { incident_id: i.id } }, body: { step, helped } }))
/** A note overwrites nothing, so it names no version. */
export const note = (i: Incident, text: string) =>
  answered<Incident>(api.POST('/api/incidents/{incident_id}/events', { params: { path: { incident_id: i.id } }, body: { note: text } }))

/** Run a change of an incident; `taken` gets the incident as it is then, or as others left it. */
export function useChange(id: string, taken: (now: Incident) => void) {
  const queries = useQueryClient()
  const change = useMutation({
    mutationFn: (run: () => Promise<Incident>) => run(),
    onSuccess: (now) => {
      queries.setQueryData(['incident', id], now)
      taken(now)
      for (const key of ['incidents', 'post-mortem']) void queries.invalidateQueries({ queryKey: [key] })
    },
  })
  async function showNewest() {
    const now = await queries.fetchQuery({ queryKey: ['incident', id], queryFn: () => incidentOf(id), staleTime: 0 }).catch(() => null)
    if (!now) return
    taken(now)
    change.reset()
  }
  return { ...change, showNewest }
}

export const isConflict = (error: unknown) => error instanceof Problem && error.status === 412
