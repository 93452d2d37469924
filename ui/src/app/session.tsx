// Who is signed in. Where nobody is, a dialog stands over the page, which keeps what was typed.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { answered, api, BASE, credentials, keepKey, Problem, type Schemas } from '../api/client'
import { Failure } from '../parts/states'
import { Text } from '../parts/Text'

export type Me = Schemas['MeDocument']

export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: async ({ signal }) => {
      const me = await answered(api.GET('/api/auth/me', { signal }))
      credentials.csrf = me.csrf_token
      return me
    },
    retry: false,
  })
}

export const may = (me: Me | undefined, permission: Me['permissions'][number]) =>
  me?.permissions.includes(permission) ?? false

export const isSignedOut = (error: unknown) => error instanceof Problem && error.status === 401

export function SignIn() {
  const queries = useQueryClient()
  const [error, setError] = useState<unknown>(null)
  const [withKey, setWithKey] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    const text = (name: string) => String(given.get(name) ?? '')
    try {
      if (withKey) {
        keepKey(text('key'))
        await answered(api.GET('/api/auth/me'))
      } else {
        const body = { name: text('name'), password: text('password') }
        credentials.csrf = (await answered(api.POST('/api/auth/sign-in', { body }))).csrf_token
      }
      await queries.invalidateQueries()
    } catch (failure) {
      if (withKey) keepKey(null)
      setError(failure)
    }
  }

  return (
    <div className="over" role="dialog" aria-modal="true" aria-labelledby="sign-in">
      <form className="panel sign-in" onSubmit={submit}>
        <h2 id="sign-in">Sign in to AgentGuard</h2>
        {withKey ? (
          <label>API key<input name="key" type="password" autoComplete="off" required autoFocus /></label>
        ) : (
          <>
            <label>Name<input name="name" autoComplete="username" required autoFocus /></label>
            <label>Password<input name="password" type="password" autoComplete="current-password" required /></label>
          </>
        )}
        {error !== null && <Failure error={error} />}
        <button type="submit" className="primary">Sign in</button>
        <button type="button" className="link" onClick={() => { setWithKey(!withKey); setError(null) }}>
          {withKey ? 'Use a name and password' : 'Use an API key'}
        </button>
        <p className="note">
          {withKey
            ? 'The key is kept for this tab, until it is closed.'
            : <>Single sign-on and the first user: <a href={`${BASE}/sign-in`}>the sign-in page</a>.</>}
        </p>
      </form>
    </div>
  )
}

const KIND_WORDS: Partial<Record<Me['kind'], string>> = { loopback: 'This machine', api_key: 'API key', proxy: 'Proxy' }

/** Who is signed in, and the way out. */
export function Account({ me }: { me: Me }) {
  const queries = useQueryClient()
  const [error, setError] = useState<unknown>(null)
  const { user, kind, id } = me

  async function signOut() {
    try {
      if (credentials.key) keepKey(null)
      else await answered(api.POST('/api/auth/sign-out', { body: { everywhere: false } }))
      credentials.csrf = null
      await queries.resetQueries()
    } catch (failure) {
      setError(failure)
    }
  }

  return (
    <div className="account">
      <span title={id}>{user ? <><Text of={user.name} clip /><small>{user.role}</small></> : <>{KIND_WORDS[kind] ?? kind}</>}</span>
      {(user !== null || credentials.key !== null) && <button type="button" onClick={() => void signOut()}>Sign out</button>}
      {error !== null && <span className="bad" role="alert">{error instanceof Error ? error.message : String(error)}</span>}
    </div>
  )
}
