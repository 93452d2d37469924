// What a page shows stands in its address.
import { useCallback, useMemo } from 'react'
import { useSearchParams } from 'wouter'
import type { Selection } from '../api/queries'

type Changes = Record<string, string | string[] | null>

const KEPT = ['dataset', 'version', 'lookback'] as const

export function useView() {
  const [params, setParams] = useSearchParams()
  const change = useCallback(
    (changes: Changes, options?: { replace?: boolean }) =>
      setParams((now) => changed(now, changes), { replace: options?.replace ?? false }),
    [setParams],
  )
  const selection = useMemo<Selection>(() => {
    const found: Selection = {}
    for (const name of KEPT) {
      const value = params.get(name)
      if (value) found[name] = value
    }
    return found
  }, [params])
  const to = useCallback(
    (path: string, more: Changes = {}) => {
      const next = changed(new URLSearchParams(KEPT.flatMap((n) => (params.get(n) ? [[n, params.get(n) ?? '']] : []))), more)
      const text = next.toString()
      return text ? `${path}?${text}` : path
    },
    [params],
  )
  return { params, change, selection, to }
}

function changed(now: URLSearchParams, changes: Changes): URLSearchParams {
  const next = new URLSearchParams(now)
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name)
    for (const each of value === null ? [] : [value].flat()) if (each) next.append(name, each)
  }
  return next
}
