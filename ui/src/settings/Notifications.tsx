// Whom incidents are told to, and what became of each message.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link } from 'wouter'
import { answered, api, type Schemas } from '../api/client'
import { useView } from '../app/view'
import { count, time } from '../parts/numbers'
import { Severity } from '../parts/Severity'
import { Failure, Waiting } from '../parts/states'
import { useSteady } from '../parts/steady'
import { Text } from '../parts/Text'

type Told = Schemas['NotificationsDocument']

const EVERY = 15_000

export function Notifications() {
  const { params, change } = useView()
  const before = params.get('before')
  const query = before ? { before } : {}
  const told = useQuery({
    queryKey: ['notifications', query],
    queryFn: ({ signal }) => answered<Told>(api.GET('/api/notifications', { params: { query }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY,
  })
  const { shown, changed, take } = useSteady(before ?? '', told.isPlaceholderData ? undefined : told.data)
  return (
    <>
      {told.error && <Failure error={told.error} retry={() => void told.refetch()} />}
      {!shown && !told.error && <Waiting what="the notifications" />}
      {shown && <Receivers of={shown.receivers} />}
      {shown && (
        <section className="panel">
          <header className="page-head">
            <h2 className="grow">Messages about incidents</h2>
            {changed && <button type="button" className="pill" onClick={() => take()}>The list has changed: show it</button>}
          </header>
          <Messages of={shown.notifications} />
        </section>
      )}
      {shown && (before || shown.next) && (
        <p className="pages">
          {before && <button type="button" onClick={() => change({ before: null })}>Newest</button>}
          {shown.next && <button type="button" onClick={() => change({ before: shown.next })}>Older</button>}
        </p>
      )}
    </>
  )
}

function Receivers({ of }: { of: Told['receivers'] }) {
  return (
    <section className="panel">
      <h2>Receivers</h2>
      {of.length === 0 && <p className="note">None is set: a webhook, Slack or PagerDuty is set in the environment of the server.</p>}
      {of.length > 0 && (
        <table>
          <thead><tr><th>Receiver</th><th>Host</th></tr></thead>
          <tbody>{of.map((each) => <tr key={each.receiver}><td><b>{each.receiver}</b></td><td><Text of={each.host} /></td></tr>)}</tbody>
        </table>
      )}
    </section>
  )
}

function Messages({ of }: { of: Told['notifications'] }) {
  const { to } = useView()
  if (of.length === 0) return <p className="note">None.</p>
  return (
    <table>
      <thead><tr><th>Changed</th><th>Message</th><th>Severity</th><th>Receiver</th><th>State</th><th className="n">Attempts</th><th className="when">Next attempt</th><th className="when">Why the last one failed</th></tr></thead>
      <tbody>
        {of.map((n) => (
          <tr key={n.id + n.receiver}>
            <td className="line">{time(n.created_at)}</td>
            <td>{n.incident ? <Link href={to('/incidents', { id: n.incident })}>{n.type}</Link> : n.type}</td>
            <td>{n.severity ? <Severity of={n.severity} /> : '–'}</td>
            <td>{n.receiver}</td>
            <td>{n.state.replaceAll('_', ' ')}</td>
            <td className="n">{count(n.attempts)}</td>
            <td className="when">{time(n.next_attempt_at)}</td>
            <td className="breaks gap">{n.reason ? <Text of={n.reason} /> : '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
