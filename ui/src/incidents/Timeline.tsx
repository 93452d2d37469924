// What happened, who did it, and when.
import type { Schemas } from '../api/client'
import { time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Lines, Text } from '../parts/Text'
import { useEvents, type Incident, type IncidentEvent } from './api'

export function Timeline({ incident }: { incident: Incident }) {
  const events = useEvents(incident)
  return (
    <section className="panel">
      <h2>Timeline</h2>
      {events.error && <Failure error={events.error} retry={() => void events.refetch()} />}
      {events.isPending && <Waiting what="the timeline" />}
      <ol className="timeline">
        {[...(events.data ?? [])].reverse().map((e) => (
          <li key={e.number}>
            <time dateTime={e.time ?? undefined}>{time(e.time)}</time>
            <div>
              <b>{words(e.kind)}</b> by <Text of={e.actor.id} />
              <Details of={e} />
              {e.note && <p className="noted"><Lines of={e.note} /></p>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

const words = (kind: string) => kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll('_', ' ')

function Details({ of: e }: { of: IncidentEvent }) {
  const facts = Object.entries(e.details).filter(([, value]) => value !== null)
  if (facts.length === 0) return null
  return <small> {facts.map(([name, value]) => <span key={name}> {name.replaceAll('_', ' ')}: <Text of={told(value)} /></span>)}</small>
}

function told(value: Schemas['IncidentEventDocument']['details'][string]): string {
  if (Array.isArray(value)) return value.join(', ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
