// How long things are kept, and where the levels begin: as the server noted its settings in the audit log.
import { useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { answered, api } from '../api/client'
import { useView } from '../app/view'
import { time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'

const RETENTION = /_(DAYS|KEPT)$|_RETENTION_/
const THRESHOLDS = /_SEVERITY_|_GHOST_DAYS$|_WINDOW_HOURS$/

const MEANINGS: Record<string, string> = {
  AUDIT_PAYLOAD_DAYS: 'payloads of audit entries; their proofs stay',
  DATASETS_DAYS: 'datasets of scans, after their last scan',
  DATASETS_KEPT: 'datasets of scans, at most',
  INCIDENTS_DAYS: 'incidents that are resolved, reviewed or merged',
  INCIDENTS_KEPT: 'incidents, at most',
  JOBS_DAYS: 'finished jobs and their results',
  JOBS_KEPT: 'finished jobs, at most',
  NOTIFICATIONS_DAYS: 'notifications that were delivered or given up',
  NOTIFICATIONS_KEPT: 'notifications, at most',
  RETENTION_HOURS: 'spans, after they were received',
  RETENTION_SPANS_BYTES: 'stored spans, at most',
  SIMULATIONS_DAYS: 'stored simulations',
  SIMULATIONS_KEPT: 'stored simulations, at most',
  VERSIONS_DAYS: 'graph versions except the newest',
  VERSIONS_KEPT: 'graph versions of a dataset, at most',
  GHOST_DAYS: 'a declared component that is unseen for so long is a ghost',
  SEVERITY_CRITICAL: 'share of a workflow’s runs that are lost, from which it is critical',
  SEVERITY_HIGH: 'the same, high',
  SEVERITY_MEDIUM: 'the same, medium',
  WINDOW_HOURS: 'the live graph covers so long',
}

type Row = readonly [string, string]

export function Limits() {
  const { to } = useView()
  const noted = useQuery({
    queryKey: ['settings-seen'],
    queryFn: ({ signal }) => answered(api.GET('/api/audit/entries', { params: { query: { action: 'settings.seen', limit: 1 } }, signal })),
    refetchOnMount: 'always',
  })
  if (noted.error) return <Failure error={noted.error} retry={() => void noted.refetch()} />
  if (!noted.data) return <Waiting what="the settings" />
  const entry = noted.data.entries[0]
  const rows = entry ? settingsOf(entry.payload) : []
  if (!entry || rows.length === 0) return <p className="note">No settings are noted in the audit log, or their payload was removed.</p>
  const isThreshold = ([name]: Row) => THRESHOLDS.test(name)
  const isRetention = ([name]: Row) => RETENTION.test(name) && !THRESHOLDS.test(name)
  return (
    <>
      <p className="note">As noted when they last changed: <Link href={to('/audit', { entry: String(entry.index) })}>audit entry {entry.index}</Link>, {time(entry.time)}. They are set in the environment of the server; secrets are never shown.</p>
      <div className="columns">
        <section className="panel"><h2>How long things are kept</h2><Rows of={rows.filter(isRetention)} /></section>
        <section className="panel"><h2>Thresholds</h2><Rows of={rows.filter(isThreshold)} /></section>
      </div>
      <section className="panel">
        <details><summary>All other settings</summary><Rows of={rows.filter((row) => !isThreshold(row) && !isRetention(row))} /></details>
      </section>
    </>
  )
}

function settingsOf(payload: unknown): Row[] {
  const settings = (payload as { settings?: unknown } | null)?.settings
  return typeof settings === 'object' && settings ? Object.entries(settings).map(([name, value]) => [name, String(value)] as const) : []
}

function Rows({ of }: { of: Row[] }) {
  return (
    <table>
      <thead><tr><th>Setting</th><th>Value</th></tr></thead>
      <tbody>{of.map(([name, value]) => <tr key={name}><td className="breaks"><code><Text of={name} /></code> <small>{MEANINGS[name.replace('AGENTGUARD_', '')]}</small></td><td className="breaks value">{value ? <Text of={value} /> : <span className="note">empty</span>}</td></tr>)}</tbody>
    </table>
  )
}
