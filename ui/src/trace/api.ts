// Questions about stored traces, and about the spans behind a claim.
import { useQuery } from '@tanstack/react-query'
import { answered, api, type Schemas } from '../api/client'
import type { Selection } from '../api/queries'

export type Trace = Schemas['TraceDocument']
export type TreeSpan = Schemas['TreeSpanDocument']

export function useTrace(id: string, selection: Selection) {
  const { dataset, version } = selection
  const query = { ...(dataset ? { dataset } : {}), ...(version ? { version } : {}) }
  return useQuery({
    queryKey: ['trace', id, query],
    queryFn: ({ signal }) => answered<Trace>(api.GET('/api/traces/{trace_id}', { params: { path: { trace_id: id }, query }, signal })),
  })
}

export function useEvidence(claim: string, selection: Selection) {
  return useQuery({
    queryKey: ['evidence', claim, selection],
    queryFn: ({ signal }) => answered(api.GET('/api/evidence/{claim}', { params: { path: { claim }, query: selection }, signal })),
  })
}

/** The name of the claim that a component exists. */
export const componentClaim = (id: string) => `component:${id.replaceAll('%', '%25').replaceAll('~', '%7E')}`
