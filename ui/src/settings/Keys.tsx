// API keys: their secrets are shown once, when they are made.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { answered, api, type Schemas } from '../api/client'
import { useMe } from '../app/session'
import { useView } from '../app/view'
import { time } from '../parts/numbers'
import { CopyButton } from '../parts/CopyButton'
import { Failure, Waiting } from '../parts/states'
import { shown, Text } from '../parts/Text'
import { Confirmed } from './Confirmed'

type Key = Schemas['KeyDocument']
type Issued = Schemas['IssuedKeyDocument']
type Scope = Key['scopes'][number]

const SCOPES: Record<Scope, string> = {
  ingest: 'send telemetry',
  read: 'read graphs, findings, jobs and stored results',
  simulate: 'run simulations and generate playbooks',
  operate: 'store scans, delete datasets, change incidents',
  admin: 'manage keys, users and settings',
}

export function Keys() {
  const { params, change } = useView()
  const queries = useQueryClient()
  const [issued, setIssued] = useState<Issued | null>(null)
  const before = params.get('before')
  const keys = useQuery({
    queryKey: ['keys', before],
    queryFn: ({ signal }) => answered(api.GET('/api/keys', { params: { query: before ? { before } : {} }, signal })),
  })
  const taken = (key: Issued | null) => {
    setIssued(key)
    void queries.invalidateQueries({ queryKey: ['keys'] })
  }
  return (
    <>
      {issued && <Once key={issued.key} issued={issued} onKept={() => setIssued(null)} />}
      <section className="panel">
        <h2>API keys</h2>
        {keys.error && <Failure error={keys.error} retry={() => void keys.refetch()} />}
        {keys.isPending && <Waiting what="the keys" />}
        {keys.data?.keys.length === 0 && <p className="note">None yet.</p>}
        {keys.data && keys.data.keys.length > 0 && (
          <table>
            <thead><tr><th>Name</th><th>Begins with</th><th>May</th><th>State</th><th className="when">Created</th><th className="when">Expires</th><th className="when">Last used</th><th>Change</th></tr></thead>
            <tbody>{keys.data.keys.map((key) => <Row key={key.id} of={key} onChange={taken} />)}</tbody>
          </table>
        )}
        {keys.data && (before || keys.data.next) && (
          <p className="pages">
            {before && <button type="button" onClick={() => change({ before: null })}>Newest</button>}
            {keys.data.next && <button type="button" onClick={() => change({ before: keys.data.next })}>Older</button>}
          </p>
        )}
      </section>
      <Create onCreate={taken} />
    </>
  )
}

function Row({ of: key, onChange }: { of: Key; onChange: (issued: Issued | null) => void }) {
  const path = { key_id: key.id }
  const rotating = useMutation({
    mutationFn: () => answered<Issued>(api.POST('/api/keys/{key_id}/rotate', { params: { path }, body: { overlap_seconds: 0 } })),
    onSuccess: onChange,
  })
  const revoking = useMutation({
    mutationFn: () => answered(api.DELETE('/api/keys/{key_id}', { params: { path } })),
    onSuccess: () => onChange(null),
  })
  const busy = rotating.isPending || revoking.isPending
  const error = rotating.error ?? revoking.error
  return (
    <tr>
      <td className="breaks"><b><Text of={key.name} /></b></td>
      <td><code>{key.prefix}</code></td>
      <td>{key.scopes.join(', ')}</td>
      <td>{key.state}</td>
      <td className="when">{time(key.created_at)}</td>
      <td className="when">{key.expires_at ? time(key.expires_at) : 'never'}</td>
      <td className="when">{key.last_used_at ? time(key.last_used_at) : 'never'}</td>
      <td>
        {key.state !== 'revoked' && (
          <span className="buttons">
            <Confirmed words="Rotate" really={`Replace the secret of ${shown(key.name)}`} busy={busy} onDo={() => rotating.mutate()} />
            <Confirmed words="Revoke" really={`Revoke ${shown(key.name)} for good`} busy={busy} onDo={() => revoking.mutate()} />
          </span>
        )}
        {error && <Failure error={error} />}
      </td>
    </tr>
  )
}

function Create({ onCreate }: { onCreate: (issued: Issued) => void }) {
  const me = useMe()
  const [name, setName] = useState('')
  const [expires, setExpires] = useState('90d')
  const [scopes, setScopes] = useState<Scope[]>(['ingest'])
  const creating = useMutation({
    mutationFn: () => answered<Issued>(api.POST('/api/keys', { body: { name, scopes, expires: expires.trim() || null } })),
    onSuccess: (issued) => { setName(''); onCreate(issued) },
  })
  const submit = (event: FormEvent) => { event.preventDefault(); creating.mutate() }
  return (
    <form className="panel sheet" onSubmit={submit}>
      <h2>Create a key</h2>
      {me.data?.kind === 'loopback' && <p className="note">From the first key or user on, requests from this machine need credentials too: keep the key, and give the first one the permission “admin”.</p>}
      <label>Name<input value={name} maxLength={100} required onChange={(e) => setName(e.target.value)} /></label>
      <fieldset>
        <legend>It may</legend>
        {(Object.keys(SCOPES) as Scope[]).map((scope) => (
          <label key={scope} className="choice"><input type="checkbox" checked={scopes.includes(scope)} onChange={(e) => setScopes(e.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))} /><span><b>{scope}</b> {SCOPES[scope]}</span></label>
        ))}
      </fieldset>
      <label>Expires, such as 12h, 90d or 2027-01-31; empty: never<input value={expires} maxLength={100} onChange={(e) => setExpires(e.target.value)} /></label>
      {creating.error && <Failure error={creating.error} />}
      <button type="submit" className="primary" disabled={creating.isPending || scopes.length === 0}>Create the key</button>
    </form>
  )
}

/** The secret, which no request returns again. */
function Once({ issued, onKept }: { issued: Issued; onKept: () => void }) {
  return (
    <section className="panel once" role="status">
      <h2>The key <Text of={issued.name} /></h2>
      <p>It is shown this once. Keep it now: AgentGuard stores only its hash.</p>
      <pre tabIndex={0} aria-label="The key"><code>{issued.key}</code></pre>
      <div className="buttons">
        <CopyButton of={issued.key} primary />
        <button type="button" onClick={onKept}>I have kept it</button>
      </div>
    </section>
  )
}
