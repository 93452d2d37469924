// One's own password.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { answered, api } from '../api/client'
import { Failure } from '../parts/states'

export function Account() {
  const queries = useQueryClient()
  const changing = useMutation({
    mutationFn: (body: { former: string; password: string }) => answered(api.POST('/api/auth/password', { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['me'] }),
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    changing.mutate({ former: String(form.get('former')), password: String(form.get('password')) })
  }
  return (
    <form className="panel sheet" onSubmit={submit}>
      <h2>Your password</h2>
      <p className="note">Changing it signs you out everywhere, also here.</p>
      <label>The password until now<input name="former" type="password" autoComplete="current-password" required /></label>
      <label>The new password<input name="password" type="password" autoComplete="new-password" required /></label>
      {changing.error && <Failure error={changing.error} />}
      <button type="submit" className="primary" disabled={changing.isPending}>Change the password</button>
    </form>
  )
}
