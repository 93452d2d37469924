// Users and their roles.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { answered, api, type Schemas } from '../api/client'
import { useMe } from '../app/session'
import { useView } from '../app/view'
import { time } from '../parts/numbers'
import { Failure, Waiting } from '../parts/states'
import { shown, Text } from '../parts/Text'
import { Confirmed } from './Confirmed'

type User = Schemas['UserDocument']
type Role = User['role']

const ROLES: Record<Role, string> = {
  viewer: 'Reads.',
  analyst: 'Reads and simulates.',
  operator: 'Reads, simulates, stores scans and works on incidents.',
  admin: 'Does everything, and manages keys and users.',
}

export function Users() {
  const { params, change } = useView()
  const after = params.get('after')
  const users = useQuery({
    queryKey: ['users', after],
    queryFn: ({ signal }) => answered(api.GET('/api/users', { params: { query: after ? { after } : {} }, signal })),
  })
  return (
    <>
      <section className="panel">
        <h2>Users</h2>
        {users.error && <Failure error={users.error} retry={() => void users.refetch()} />}
        {users.isPending && <Waiting what="the users" />}
        {users.data?.users.length === 0 && <p className="note">None yet.</p>}
        {users.data && users.data.users.length > 0 && (
          <table>
            <thead><tr><th>Name</th><th>Role</th><th>Signs in with</th><th className="when">Created</th><th className="when">Signed in</th><th>Change</th></tr></thead>
            <tbody>{users.data.users.map((user) => <Row key={user.id} of={user} />)}</tbody>
          </table>
        )}
        {users.data && (after || users.data.next) && (
          <p className="pages">
            {after && <button type="button" onClick={() => change({ after: null })}>First</button>}
            {users.data.next && <button type="button" onClick={() => change({ after: users.data.next })}>More</button>}
          </p>
        )}
      </section>
      <Create />
    </>
  )
}

function useUserChange() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: (change: () => Promise<User>) => change(),
    onSuccess: () => { for (const key of ['users', 'me']) void queries.invalidateQueries({ queryKey: [key] }) },
  })
}

function Row({ of: user }: { of: User }) {
  const change = useUserChange()
  const [role, setRole] = useState<Role>(user.role)
  const [password, setPassword] = useState<string | null>(null)
  const params = { path: { user_id: user.id } }
  const run = (what: () => Promise<User>, done?: () => void) => change.mutate(what, done && { onSuccess: done })
  const name = shown(user.name)
  return (
    <tr>
      <td className="breaks"><b><Text of={user.name} /></b></td>
      <td>
        <span className="buttons">
          <RoleSelect label={`Role of ${name}`} role={role} onChange={setRole} />
          {role !== user.role && <button type="button" disabled={change.isPending} onClick={() => run(() => answered(api.POST('/api/users/{user_id}/role', { params, body: { role } })))}>Give the role</button>}
        </span>
      </td>
      <td>{user.issuer ? <Text of={user.issuer} /> : user.has_password ? 'a password' : 'nothing yet'}</td>
      <td className="when">{time(user.created_at)}</td>
      <td className="when">{user.signed_in_at ? time(user.signed_in_at) : 'never'}</td>
      <td>
        <span className="buttons">
          <button type="button" disabled={change.isPending} aria-expanded={password !== null} onClick={() => setPassword(password === null ? '' : null)}>Set a password</button>
          <button type="button" disabled={change.isPending} onClick={() => run(() => answered(api.POST('/api/users/{user_id}/sign-out', { params })))}>Sign out everywhere</button>
          <Confirmed words="Remove" really={`Remove ${name} and all sessions`} busy={change.isPending} onDo={() => run(() => answered(api.DELETE('/api/users/{user_id}', { params })))} />
        </span>
        {password !== null && (
          <form className="filters" onSubmit={(e) => { e.preventDefault(); run(() => answered(api.POST('/api/users/{user_id}/password', { params, body: { password } })), () => setPassword(null)) }}>
            <label>New password of {name}<input type="password" autoComplete="new-password" required value={password} onChange={(e) => setPassword(e.target.value)} /></label>
            <button type="submit" disabled={change.isPending}>Set it</button>
          </form>
        )}
        {change.error && <Failure error={change.error} />}
      </td>
    </tr>
  )
}

function RoleSelect({ label, role, onChange }: { label: string; role: Role; onChange: (role: Role) => void }) {
  return (
    <select aria-label={label} value={role} onChange={(e) => onChange(e.target.value as Role)}>
      {Object.keys(ROLES).map((each) => <option key={each} value={each}>{each}</option>)}
    </select>
  )
}

function Create() {
  const me = useMe()
  const change = useUserChange()
  const [role, setRole] = useState<Role>(me.data?.kind === 'loopback' ? 'admin' : 'viewer')
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    const given = (name: string) => String(new FormData(form).get(name) ?? '')
    const body = { name: given('name'), role, password: given('password') || null }
    change.mutate(() => answered(api.POST('/api/users', { body })), { onSuccess: () => form.reset() })
  }
  return (
    <form className="panel sheet" onSubmit={submit}>
      <h2>Create a user</h2>
      {me.data?.kind === 'loopback' && <p className="note">From the first user or key on, requests from this machine need credentials too: you will have to sign in, so give the first user the role “admin” and a password.</p>}
      <label>Name<input name="name" maxLength={100} autoComplete="off" required /></label>
      <label>Role<RoleSelect label="Role of the new user" role={role} onChange={setRole} /><small>{ROLES[role]}</small></label>
      <label>Password; without one, the user signs in with the identity provider only<input name="password" type="password" autoComplete="new-password" /></label>
      {change.error && <Failure error={change.error} />}
      <button type="submit" className="primary" disabled={change.isPending}>Create the user</button>
    </form>
  )
}
