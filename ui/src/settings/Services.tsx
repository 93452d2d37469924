// The parts of the server and the services behind it, as the health check finds them.
import { useQuery } from '@tanstack/react-query'
import { api, Problem, UNREACHABLE, type Schemas } from '../api/client'
import { milliseconds } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { Text } from '../parts/Text'

type Health = Schemas['Health']

const EVERY = 15_000
const STATES: Record<Health['status'], { words: string; style: string }> = {
  up: { words: 'Up', style: 'good' },
  starting: { words: 'Starting', style: '' },
  down: { words: 'Down', style: 'bad' },
}

/** A server of which a part is down answers with 503, and with the same document. */
async function health(signal: AbortSignal): Promise<Health> {
  const { data, error, response } = await api.GET('/health', { signal }).catch(() => {
    throw new Problem(0, UNREACHABLE, 'The server cannot be reached.')
  })
  const found = (data ?? error) as Health | undefined
  if (found?.parts === undefined) throw new Problem(response.status, 'unknown', `The server answered with status ${response.status}.`)
  return found
}

export function Services() {
  const found = useQuery({ queryKey: ['health'], queryFn: ({ signal }) => health(signal), refetchInterval: EVERY, refetchOnMount: 'always' })
  return (
    <section className="panel">
      <h2>Connected services and parts of the server</h2>
      {found.error && <Failure error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Waiting what="the health of the server" />}
      {found.data && (
        <table>
          <thead><tr><th>Part</th><th>State</th><th>What is known, and what to do</th><th className="n">The check took</th></tr></thead>
          <tbody>
            {Object.entries(found.data.parts).map(([name, part]) => (
              <tr key={name}>
                <td><b>{name.replaceAll('_', ' ')}</b></td>
                <td className={`line ${STATES[part.status].style}`}>{STATES[part.status].words}</td>
                <td className="breaks"><Text of={part.error ?? part.detail ?? ''} /></td>
                <td className="n">{milliseconds(part.latency_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="note">A service that is not set does not stand here. <code>agentguard doctor</code> says more, on the server.</p>
    </section>
  )
}
