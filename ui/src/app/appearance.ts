import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'dark' | 'light'

const NAME = 'agentguard.theme'
const light = matchMedia('(prefers-color-scheme: light)')
const listeners = new Set<() => void>()

export const chosenTheme = (): Theme => {
  const kept = localStorage.getItem(NAME)
  return kept === 'dark' || kept === 'light' ? kept : 'system'
}

const effective = () => {
  const chosen = chosenTheme()
  return chosen === 'system' ? (light.matches ? 'light' : 'dark') : chosen
}

export function applyTheme() {
  document.documentElement.dataset.theme = effective()
  listeners.forEach((tell) => tell())
}

export function chooseTheme(theme: Theme) {
  if (theme === 'system') localStorage.removeItem(NAME)
  else localStorage.setItem(NAME, theme)
  applyTheme()
}

light.addEventListener('change', applyTheme)

/** Return the theme in use, dark or light. */
export function useTheme() {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell)
      return () => listeners.delete(tell)
    },
    effective,
  )
}
